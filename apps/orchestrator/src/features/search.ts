import { LayermillError } from '@layermill/core'
import { featurePath } from '@layermill/contracts'
import {
  compareUtf8,
  mapOrdered,
  openRanges,
  readFeatureRows,
  readIndex,
  type StreamOptions,
  streamVectors,
  type VectorBlock,
} from '@layermill/storage'
import { Best } from './best.js'
import type { StoredLayer } from './feature-set.js'
import type { Metric } from './metric.js'
import { RowDistances } from './row-distances.js'

/** An image whose features are near to a vector. */
export interface Neighbour {
  readonly key: string
  readonly label?: string
  /** Location of the image's features. */
  readonly part: number
  readonly row: number
  /** At least 0; of the metric asked for. */
  readonly distance: number
}

export interface SearchOptions extends StreamOptions {
  readonly metric: Metric
  /** Neighbours to give. */
  readonly top: number
  /** Told how many images have been looked at. */
  readonly onProgress?: (images: number) => void
}

export interface SearchResult {
  /** The nearest first, equally near ones by the bytes of their keys. */
  readonly neighbours: readonly Neighbour[]
  /** Images looked at. */
  readonly images: number
  /** Of these, images that cannot be compared, because they have values that are no finite numbers; they are left out. */
  readonly notFinite: number
}

/** Refuses a vector that cannot be compared with a set's rows. */
function checkQuery(set: StoredLayer, query: Float32Array, metric: Metric): void {
  if (query.length !== set.dimensions) {
    throw new LayermillError(
      'ROW_INVALID',
      `the query has ${query.length} numbers, ${set.layer.name} of ${set.store.url} has ${set.dimensions} (${set.layer.shape.join('x')}) for each image`,
    )
  }
  if (!query.every(Number.isFinite))
    throw new LayermillError('FEATURES_INVALID', `the query's ${set.layer.name} has values that are no finite numbers (NaN or infinite)`)
  if (metric === 'cosine' && query.every(value => value === 0)) {
    throw new LayermillError('FEATURES_INVALID', `the query's ${set.layer.name} is all zeros, which have no cosine with anything`, {
      hint: 'use --metric l2',
    })
  }
}

/** Blocks read at once: one is measured while others are read. More would leave the processor's caches before they are measured. */
const blocksAtOnce = 3

const byDistance = (a: Neighbour, b: Neighbour): number =>
  a.distance - b.distance || compareUtf8(a.key, b.key) || a.part - b.part || a.row - b.row

/**
 * The images of a set whose features are nearest to a vector, by looking at every one of them: exact, in memory for a few blocks of rows
 * and twice as many neighbours as are asked for, and the same however the set is cut into parts.
 *
 * @param query as many numbers as a row has
 * @throws LayermillError `ROW_INVALID`, `FEATURES_INVALID`, and as `streamVectors`
 */
export async function searchFeatures(set: StoredLayer, query: Float32Array, options: SearchOptions): Promise<SearchResult> {
  checkQuery(set, query, options.metric)
  const distances = new RowDistances(options.metric, query)
  const best = new Best<Neighbour>(options.top, byDistance)
  let images = 0
  let notFinite = 0
  /** Adds rows of a block that may be among the best; their images alone are looked up. */
  const addRows = async ({ part, index, start }: VectorBlock, found: Float64Array, most: number): Promise<void> => {
    if (!found.some(distance => distance <= most)) return
    const rows = await index.rows()
    for (const [i, distance] of found.entries()) {
      if (!(distance <= most)) continue
      const { key, label, row } = rows[start + i]!
      best.add({ key, ...(label === undefined ? {} : { label }), part, row, distance })
    }
  }
  for await (const block of streamVectors(set.store, set.place, set.parts, { concurrency: blocksAtOnce, ...options, reuse: true })) {
    const found = distances.of(block.values)
    await addRows(block, found, Math.min(best.bound?.distance ?? Infinity, Number.MAX_VALUE))
    for (const distance of found) if (!Number.isFinite(distance)) notFinite++
    images += block.count
    options.onProgress?.(images)
  }
  return { neighbours: best.list(), images, notFinite }
}

/** Indexes read at once when one image is looked for. */
const indexesAtOnce = 8

/**
 * The stored features of one image of the set.
 * @throws LayermillError `IMAGE_UNKNOWN` where it has none, and what the store throws
 */
export async function storedFeatures(set: StoredLayer, key: string): Promise<Float32Array> {
  for await (const { part, rows } of mapOrdered(set.parts, indexesAtOnce, async each => ({
    part: each,
    rows: await readIndex(set.store, each),
  }))) {
    const found = rows.find(row => row.key === key)
    if (found === undefined) continue
    const file = await openRanges(set.store, featurePath(set.place.layer, part, set.place.format))
    return (await readFeatureRows(set.place.format, file, set.place.layer, { start: found.row, end: found.row + 1 })).data
  }
  throw new LayermillError('IMAGE_UNKNOWN', `${set.store.url} has no features of an image ${JSON.stringify(key)}`, {
    hint: 'keys are as in index/ and manifest/: relative to the source of the run. An image that failed has no features',
  })
}
