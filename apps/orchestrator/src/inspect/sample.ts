import { LayermillError } from '@layermill/core'
import { type FeatureFormat, featurePath } from '@layermill/contracts'
import { mapOrdered, openRanges, readFeatureRows, readIndex, type Store } from '@layermill/storage'
import { committedResult } from '../run/commits.js'
import { readableParts } from '../run/readable-parts.js'

/** Parts that a sample is taken from, at most; they are spread over all. */
const mostParts = 24
/** Images for which another part is looked into: opening one costs more than reading some more of its rows. */
const imagesAPart = 12
/** Parts read at once. */
const partsAtOnce = 4

/** Some images' features. */
export interface FeatureSample {
  /** Images with features in the parts that are there. */
  readonly images: number
  readonly rows: readonly { readonly part: number; readonly key: string; readonly label?: string }[]
  readonly dimensions: number
  /** Row after row. */
  readonly values: Float32Array
}

interface PartRows {
  readonly part: number
  readonly rows: readonly number[]
}

/** `count` whole numbers below `length`, evenly spread. */
export const spread = (length: number, count: number): number[] =>
  Array.from({ length: Math.min(count, length) }, (_, i) => Math.floor((i * length) / Math.min(count, length)))

async function chooseRows(store: Store, sample: number): Promise<{ chosen: PartRows[]; images: number }> {
  const committed = await readableParts(store)
  const wanted = Math.max(4, Math.min(mostParts, Math.ceil(sample / imagesAPart)))
  const parts = spread(committed.length, wanted).map(i => committed[i]!)
  const commits = await Promise.all(parts.map(async part => ({ part, images: (await committedResult(store, part))?.images ?? 0 })))
  const looked = commits.reduce((sum, { images }) => sum + images, 0)
  if (looked === 0) throw new LayermillError('NOT_RECORDED', `${store.url}: no part with features is there yet`)
  const chosen = commits.map(({ part, images }) => ({ part, rows: spread(images, Math.ceil((sample * images) / looked)) }))
  return { chosen, images: Math.round((looked * committed.length) / parts.length) }
}

/** An image's numbers: a vector as it is, of a feature map [channels, height, width] each channel's mean. */
export function reduceRow(data: Float32Array, row: number, shape: readonly number[]): Float32Array {
  const length = shape.reduce((product, size) => product * size, 1)
  const channels = shape[0] ?? 1
  const places = length / channels
  const reduced = new Float32Array(channels)
  for (let channel = 0; channel < channels; channel++) {
    let sum = 0
    for (let i = 0; i < places; i++) sum += data[row * length + channel * places + i]!
    reduced[channel] = sum / places
  }
  return reduced
}

/** Bytes of features read at once. */
const block = 32 * 1024 * 1024

interface LayerPlace {
  readonly layer: string
  readonly format: FeatureFormat
  readonly bytesPerImage: number
}

/** The chosen rows, read in blocks; only blocks with chosen rows are read. */
async function readRows(store: Store, { layer, format, bytesPerImage }: LayerPlace, { part, rows }: PartRows): Promise<Float32Array[]> {
  const ranges = await openRanges(store, featurePath(layer, part, format))
  const perBlock = Math.max(1, Math.floor(block / Math.max(1, bytesPerImage)))
  const found: Float32Array[] = []
  for (let i = 0; i < rows.length;) {
    const start = rows[i]!
    const wanted = rows.slice(i).filter(row => row < start + perBlock)
    const { data, shape } = await readFeatureRows(format, ranges, layer, { start, end: wanted.at(-1)! + 1 })
    found.push(...wanted.map(row => reduceRow(data, row - start, shape.slice(1))))
    i += wanted.length
  }
  return found
}

async function readPart(
  store: Store,
  place: LayerPlace,
  chosen: PartRows,
): Promise<{ rows: FeatureSample['rows']; vectors: Float32Array[] }> {
  const index = await readIndex(store, chosen.part)
  const vectors = await readRows(store, place, chosen)
  return { rows: chosen.rows.map(row => ({ part: chosen.part, key: index[row]!.key, label: index[row]!.label })), vectors }
}

/**
 * Features of some images of a set, in the order of the images; undefined for one that has none there.
 * @throws as `sampleFeatures` does
 */
export async function featuresOf(
  store: Store,
  place: LayerPlace,
  images: readonly { readonly part: number; readonly key: string }[],
): Promise<(Float32Array | undefined)[]> {
  const found = new Map<string, Float32Array>()
  for (const part of new Set(images.map(image => image.part))) {
    const keys = new Set(images.flatMap(image => (image.part === part ? [image.key] : [])))
    const rows = (await readIndex(store, part)).filter(({ key }) => keys.has(key)).map(({ row }) => row)
    const read = await readPart(store, place, { part, rows: rows.toSorted((a, b) => a - b) })
    for (const [i, { key }] of read.rows.entries()) found.set(`${part}/${key}`, read.vectors[i]!)
  }
  return images.map(({ part, key }) => found.get(`${part}/${key}`))
}

/**
 * Some images' features of one layer, spread evenly over the parts that are there: the same images whenever it is asked of the same parts.
 * @throws LayermillError `NOT_RECORDED`, `FILE_MISSING`, and what the store throws
 */
export async function sampleFeatures(store: Store, place: LayerPlace, sample: number): Promise<FeatureSample> {
  const { chosen, images } = await chooseRows(store, sample)
  const rows: FeatureSample['rows'][number][] = []
  const vectors: Float32Array[] = []
  const filled = chosen.filter(part => part.rows.length > 0)
  for await (const read of mapOrdered(filled, partsAtOnce, part => readPart(store, place, part))) {
    rows.push(...read.rows)
    vectors.push(...read.vectors)
  }
  const dimensions = vectors[0]?.length ?? 0
  const values = new Float32Array(vectors.length * dimensions)
  vectors.forEach((vector, i) => values.set(vector, i * dimensions))
  return { images, rows, dimensions, values }
}
