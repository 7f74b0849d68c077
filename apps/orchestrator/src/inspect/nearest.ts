import { setImmediate } from 'node:timers/promises'
import type { RunImage } from '@layermill/contracts'
import { streamFeatures } from '@layermill/storage'
import type { FeatureSet } from '../features/feature-set.js'
import { cosineTo, type RowMeasure } from '../features/metric.js'
import { featuresOf, reduceRow, spread } from './sample.js'

/** Numbers that are multiplied for a page of images: a few seconds. */
const mostProducts = 1e9
/** Bytes of features that are read for it. */
const mostBytes = 1e9
/** Numbers after which others have a turn: some milliseconds. */
const productsAtOnce = 4e6

type Nearest = NonNullable<RunImage['nearest']>

interface Searched {
  readonly key: string
  readonly part: number
  readonly cosine: RowMeasure
  best: Nearest | undefined
}

/** Parts to look at, spread over all, and every how-manieth of their rows: as many as the bounds allow. */
function extent({ parts, record, layer }: FeatureSet, queries: number): { parts: readonly number[]; every: number } {
  const images = Math.max(1, record.counts.done)
  const most = Math.max(1, Math.floor((parts.length * mostBytes) / Math.max(1, images * layer.bytesPerImage)))
  const read = spread(parts.length, most).map(i => parts[i]!)
  const rows = (images * read.length) / parts.length
  return { parts: read, every: Math.max(1, Math.ceil((rows * queries * (layer.shape[0] ?? 1)) / mostProducts)) }
}

/**
 * For each of some images of a set the other one that is most like it, by cosine (feature maps by their channels' means), in one pass over
 * the set. Of a set that is too large for a few seconds an even part is looked at.
 * @returns nearest ones by key, and how many images were looked at
 * @throws LayermillError as reading the features does; the signal's reason
 */
export async function nearestOfEach(
  set: FeatureSet,
  images: readonly { readonly part: number; readonly key: string }[],
  signal: AbortSignal,
): Promise<{ nearest: Map<string, Nearest>; compared: number }> {
  const { store, layer, place } = set
  const vectors = await featuresOf(store, { layer: layer.name, format: place.format, bytesPerImage: layer.bytesPerImage }, images)
  const searched: Searched[] = images.flatMap(({ key, part }, i) => {
    const vector = vectors[i]
    return vector === undefined ? [] : [{ key, part, cosine: cosineTo(vector), best: undefined }]
  })
  const columns = layer.shape[0] ?? 1
  const { parts, every } = extent(set, searched.length)
  let [seen, compared, products] = [0, 0, 0]
  for await (const block of streamFeatures(store, place, parts, { signal, concurrency: 2 })) {
    for (const [row, { key, label }] of block.rows.entries()) {
      if (seen++ % every !== 0) continue
      compared++
      const vector = reduceRow(block.values, row, layer.shape)
      for (const query of searched) {
        if (query.key === key && query.part === block.part) continue
        const similarity = query.cosine(vector, 0)
        if (!(similarity > (query.best?.similarity ?? -Infinity))) continue
        query.best = { part: block.part, key, ...(label === undefined ? {} : { label }), similarity }
      }
      products += searched.length * columns
      if (products > productsAtOnce) {
        products = 0
        await setImmediate()
        signal.throwIfAborted()
      }
    }
  }
  return { nearest: new Map(searched.flatMap(({ key, best }) => (best === undefined ? [] : [[key, best] as const]))), compared }
}
