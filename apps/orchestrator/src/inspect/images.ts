import {
  type ImagePage,
  type ImageQuery,
  manifestPath,
  partOfPath,
  predictionsPath,
  type RunImage,
  trainingRowsPath,
  validationRowsPath,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { listParts, parseManifest, readIndex, type Store } from '@layermill/storage'
import { readEvaluation } from './evaluation.js'
import { readResults } from './prediction-file.js'
import type { OpenedFiles } from './run-files.js'
import { type PredictedRow, parsePredictions } from './predicted.js'

/** Images of a page, give or take those of a part. */
const pageLength = 60
/** Parts looked through for a page. */
const mostParts = 200
/** Mistakes that are kept where all parts are looked through. */
const mostWrong = 300
const shownClasses = 3

const scores = (row: PredictedRow | undefined): Pick<RunImage, 'predicted'> =>
  row === undefined ? {} : { predicted: row.classes.slice(0, shownClasses).map(({ label, probability }) => ({ label, probability })) }

const isWrong = ({ label, predicted }: RunImage): boolean =>
  label !== undefined && predicted?.[0] !== undefined && predicted[0].label !== label
const surest = (a: RunImage, b: RunImage): number => (b.predicted?.[0]?.probability ?? 0) - (a.predicted?.[0]?.probability ?? 0)
const wanted = (image: RunImage, { label, filter }: ImageQuery): boolean =>
  (label === undefined || image.label === label || image.predicted?.[0]?.label === label) && (filter === 'all' || isWrong(image))

/** Images of one part: those with features, or with predictions beside what the manifest says. */
export async function imagesOfPart({ spec, store }: Pick<OpenedFiles, 'spec' | 'store'>, part: number): Promise<RunImage[]> {
  if (spec.kind === 'extract')
    return (await readIndex(store, part)).map(({ key, label }) => ({ part, key, ...(label === undefined ? {} : { label }) }))
  const [manifest, predicted] = await Promise.all([store.get(manifestPath(part)), store.get(predictionsPath(part))])
  const rows = new Map(parsePredictions(predicted ?? new Uint8Array()).map(row => [row.key, row]))
  return (manifest === undefined ? [] : parseManifest(manifest, store.url))
    .filter(({ key }) => rows.has(key))
    .map(({ key, label }) => ({ part, key, ...(label === undefined ? {} : { label }), ...scores(rows.get(key)) }))
}

/** All parts' images page by page; of a filter those that pass it. */
async function pageOfParts(opened: OpenedFiles, query: ImageQuery): Promise<ImagePage> {
  const from = Number(query.from ?? 0)
  const images: RunImage[] = []
  const labels = new Set<string>()
  let looked = 0
  for await (const { part } of listParts(opened.store, 'commits/')) {
    if (part < from) continue
    const full = query.filter === 'all' && images.length >= pageLength
    if (full || looked++ >= mostParts) return page(images, labels, query, String(part))
    for (const image of await imagesOfPart(opened, part)) {
      if (image.label !== undefined) labels.add(image.label)
      if (wanted(image, query)) images.push(image)
    }
  }
  return page(images, labels, query, undefined)
}

function page(images: readonly RunImage[], labels: ReadonlySet<string>, { filter }: ImageQuery, next: string | undefined): ImagePage {
  const shown = filter === 'wrong' ? images.toSorted(surest).slice(0, mostWrong) : images
  return { images: [...shown], labels: [...labels].toSorted().slice(0, 1000), ...(next === undefined ? {} : { next }) }
}

/** A page of a list that is there as a whole. */
function slice(all: readonly RunImage[], query: ImageQuery): ImagePage {
  const from = Number(query.from ?? 0)
  const labels = new Set(all.flatMap(({ label }) => (label === undefined ? [] : [label])))
  const found = all.filter(image => wanted(image, query))
  const ordered = query.filter === 'wrong' ? found.toSorted(surest) : found
  const next = ordered.length > from + pageLength ? String(from + pageLength) : undefined
  return page(ordered.slice(from, from + pageLength), labels, query, next)
}

async function rowsOf(store: Store, path: string): Promise<readonly { key: string; label?: string }[]> {
  const bytes = await store.get(path)
  return bytes === undefined ? [] : parseManifest(bytes, `${store.url}/${path}`)
}

/** Images that a network learned from and those that were held out, with the mistakes on these. */
async function trainingImages({ store, run }: OpenedFiles, query: ImageQuery): Promise<ImagePage> {
  const [training, heldOut, evaluation] = await Promise.all([
    rowsOf(store, trainingRowsPath),
    rowsOf(store, validationRowsPath),
    readEvaluation(store, run.id).catch(() => undefined),
  ])
  if (training.length === 0) throw new LayermillError('NOT_RECORDED', `The run ${run.id} has not listed its images yet`)
  const mistakes = new Map((evaluation?.mistakes ?? []).map(mistake => [mistake.key, mistake]))
  const image = (part: 'training' | 'validation', { key, label }: { key: string; label?: string }): RunImage => {
    const mistake = part === 'validation' ? mistakes.get(key) : undefined
    return {
      part,
      key,
      ...(label === undefined ? {} : { label }),
      heldOut: part === 'validation',
      ...(mistake === undefined ? {} : { predicted: [{ label: mistake.predicted, probability: mistake.probability }] }),
    }
  }
  return slice([...heldOut.map(row => image('validation', row)), ...training.map(row => image('training', row))], query)
}

/**
 * Images of a run with what is known of each.
 * @throws LayermillError `NOT_RECORDED`, and what the store throws
 */
export async function runImages(opened: OpenedFiles, openStore: (url: string) => Promise<Store>, query: ImageQuery): Promise<ImagePage> {
  const { spec, run, store } = opened
  if (spec.kind === 'finetune') return trainingImages(opened, query)
  // A prediction that is done keeps its file only.
  if (spec.kind === 'predict' && run.state === 'done' && spec.out !== undefined && !(await hasParts(store))) {
    const rows = await readResults(spec.out, openStore)
    return slice(
      rows.map(row => ({ part: 'results', key: row.key, ...scores(row) })),
      query,
    )
  }
  return pageOfParts(opened, query)
}

async function hasParts(store: Store): Promise<boolean> {
  for await (const { key } of store.list('commits/')) if (partOfPath(key) !== undefined) return true
  return false
}
