import type { RunImage, RunSpec } from '@layermill/contracts'
import { type ErrorRow, listParts, parseErrors, type Store } from '@layermill/storage'
import { Best } from '../features/best.js'
import { imagesOfPart } from '../inspect/images.js'
import { spread } from '../inspect/sample.js'
import { readableParts } from '../run/readable-parts.js'

/** Images on the sheet, spread over the run. */
const onSheet = 48
/** Parts that they are taken from. */
const mostParts = 12
/** Mistakes and failures that are shown with their pictures. */
export const mostShown = 24

/** Failures of a run, some of them with their reasons. */
export interface FailureSummary {
  readonly total: number
  readonly codes: ReadonlyMap<string, number>
  readonly first: readonly ErrorRow[]
}

/** Counts the images that a run left out, and keeps the first few. */
export async function failuresOf(store: Store): Promise<FailureSummary> {
  const codes = new Map<string, number>()
  const first: ErrorRow[] = []
  let total = 0
  for await (const { key } of listParts(store, 'errors/')) {
    const bytes = await store.get(key)
    for (const row of bytes === undefined ? [] : parseErrors(bytes, `${store.url}/${key}`)) {
      total++
      codes.set(row.code, (codes.get(row.code) ?? 0) + 1)
      if (first.length < mostShown) first.push(row)
    }
  }
  return { total, codes, first }
}

/** Images of a run for its report. */
export interface Sheet {
  /** Spread over the run. */
  readonly images: readonly RunImage[]
  /** Images by the class that they were taken for, most frequent first; of a prediction. */
  readonly taken: readonly (readonly [label: string, images: number])[]
  /** Taken for another class than their own, surest first; where labels are names of classes. */
  readonly mistakes: readonly RunImage[]
  /** Images whose label is the name of a class that some were taken for, and those of them that were taken for it. */
  readonly known: number
  readonly right: number
}

const probability = ({ predicted }: RunImage): number => predicted?.[0]?.probability ?? 0

/** Counts of a prediction, image by image, in memory for its classes and a few images. */
class Predictions {
  private readonly taken = new Map<string, number>()
  private readonly labels = new Map<string, { images: number; right: number }>()
  private readonly wrong = new Best<RunImage>(mostShown * 4, (a, b) => probability(b) - probability(a) || (a.key < b.key ? -1 : 1))

  add(image: RunImage): void {
    const top = image.predicted?.[0]?.label
    if (top === undefined) return
    this.taken.set(top, (this.taken.get(top) ?? 0) + 1)
    if (image.label === undefined) return
    const counts = this.labels.get(image.label) ?? { images: 0, right: 0 }
    counts.images++
    if (top === image.label) counts.right++
    else this.wrong.add(image)
    this.labels.set(image.label, counts)
  }

  /** A label that no image was taken for may be no class of the network at all: such images are no mistakes. */
  result(): Omit<Sheet, 'images'> {
    const known = [...this.labels].filter(([label]) => this.taken.has(label)).map(([, counts]) => counts)
    return {
      taken: [...this.taken].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)),
      mistakes: this.wrong
        .list()
        .filter(({ label }) => this.taken.has(label!))
        .slice(0, mostShown),
      known: known.reduce((sum, { images }) => sum + images, 0),
      right: known.reduce((sum, { right }) => sum + right, 0),
    }
  }
}

/** Looks through a run's images: all of a prediction, some of an extraction. */
export async function sheetOf(spec: RunSpec, store: Store): Promise<Sheet> {
  const parts = await readableParts(store)
  const chosen = new Set(spread(parts.length, mostParts))
  const each = Math.ceil(onSheet / Math.max(1, chosen.size))
  const images: RunImage[] = []
  const predictions = new Predictions()
  for (const [i, part] of parts.entries()) {
    if (spec.kind === 'extract' && !chosen.has(i)) continue
    const rows = await imagesOfPart({ spec, store }, part)
    for (const row of rows) predictions.add(row)
    if (chosen.has(i)) images.push(...spread(rows.length, each).map(at => rows[at]!))
  }
  return { images: images.slice(0, onSheet), ...predictions.result() }
}
