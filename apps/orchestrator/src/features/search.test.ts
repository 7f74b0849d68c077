import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FeatureFormat, indexPath } from '@layermill/contracts'
import { createPartWriter, encodeIndex, type FeatureDtype, type IndexRow, openStore, type Store } from '@layermill/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StoredLayer } from './feature-set.js'
import { cosineTo, type Metric, metrics } from './metric.js'
import { RowDistances } from './row-distances.js'
import { searchFeatures, storedFeatures } from './search.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-search-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Image {
  readonly key: string
  readonly values: Float32Array
}

/** Small numbers that float16 holds, so that some images are equally near; image 0 is all zeros. */
const images: readonly Image[] = Array.from({ length: 57 }, (_, i) => ({
  key: `${(i * 37) % 57}-\u{1f600}.png`,
  values: Float32Array.from({ length: 6 }, (_, k) => (i === 0 ? 0 : k === 5 ? (i % 19) - 9 : ((i * 31 + k * k * 17) % 7) - 3)),
}))

interface Kind {
  readonly format: FeatureFormat
  readonly dtype: FeatureDtype
}

let sets = 0

/** The images as a run's parts of these sizes, the last size for all that is left. */
async function writeSet(
  rows: readonly Image[],
  sizes: readonly number[],
  { format, dtype }: Kind = { format: 'npy', dtype: 'float32' },
): Promise<StoredLayer> {
  const store: Store = openStore(join(folder, String(sets++)))
  const parts: number[] = []
  for (let start = 0, i = 0; start < rows.length; i++) {
    const images = rows.slice(start, start + (sizes[i] ?? sizes.at(-1)!))
    const part = parts.length * 2
    const writer = createPartWriter({ format, dtype, part, layers: [{ layer: 'fc', rowShape: [6] }], keys: images.map(({ key }) => key) })
    for (const [row, { values }] of images.entries()) writer.setRow('fc', row, values)
    for (const { path, bytes } of writer.finish(images.map(({ key }) => key))) await store.put(path, bytes)
    const index: IndexRow[] = images.map(({ key }, row) => ({
      key,
      part,
      row,
      width: 1,
      height: 1,
      sha256: 'ab'.repeat(32),
      ...(row % 2 === 0 ? { label: 'even' } : {}),
    }))
    await store.put(indexPath(part), encodeIndex(index))
    parts.push(part)
    start += images.length
  }
  return {
    store,
    layer: { name: 'fc', shape: [6], dtype, bytesPerImage: 24 },
    place: { layer: 'fc', format, rowShape: [6] },
    dimensions: 6,
    parts,
  }
}

/** Every distance from the definition, all at once. */
function naive(rows: readonly Image[], query: Float32Array, metric: Metric, top: number): { key: string; distance: number }[] {
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  const distance = (values: Float32Array): number => {
    if (metric === 'l2') return Math.hypot(...values.map((value, i) => value - query[i]!))
    const lengths = Math.sqrt(dot(values, values) * dot(query, query))
    return lengths === 0 ? 1 : Math.max(0, 1 - dot(values, query) / lengths)
  }
  const found = rows.map(({ key, values }) => ({ key, distance: distance(values) }))
  return found.toSorted((a, b) => a.distance - b.distance || Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))).slice(0, top)
}

describe('searchFeatures', () => {
  it.each(metrics)('gives the same list for any cut into parts and blocks, format and precision: %s', async metric => {
    const query = images[23]!.values
    const expected = naive(images, query, metric, 9)
    const cuts: [number[], Kind][] = [
      [[57], { format: 'npy', dtype: 'float32' }],
      [[1], { format: 'npy', dtype: 'float16' }],
      [[20, 1, 30, 6], { format: 'parquet', dtype: 'float32' }],
      [[13], { format: 'safetensors', dtype: 'float16' }],
      [[8, 50], { format: 'safetensors', dtype: 'float32' }],
      [[19], { format: 'parquet', dtype: 'float16' }],
    ]
    for (const [sizes, kind] of cuts) {
      for (const blockBytes of [1, 5 * 24, 1e6]) {
        const set = await writeSet(images, sizes, kind)
        const { neighbours, images: looked, notFinite } = await searchFeatures(set, query, { metric, top: 9, blockBytes, concurrency: 3 })
        expect(looked).toBe(57)
        expect(notFinite).toBe(0)
        expect(
          neighbours.map(({ key }) => key),
          JSON.stringify({ sizes, kind, blockBytes }),
        ).toEqual(expected.map(({ key }) => key))
        for (const [i, { distance }] of neighbours.entries()) expect(distance).toBeCloseTo(expected[i]!.distance, 12)
        expect(neighbours[0]).toMatchObject({ key: images[23]!.key, distance: 0 })
      }
    }
  })

  it('says where each neighbour is, its label, and how far it has come', async () => {
    const set = await writeSet(images, [10])
    const seen: number[] = []
    const { neighbours } = await searchFeatures(set, images[23]!.values, { metric: 'l2', top: 1, onProgress: done => void seen.push(done) })
    expect(neighbours).toEqual([{ key: images[23]!.key, part: 4, row: 3, distance: 0 }])
    expect(seen).toEqual([10, 20, 30, 40, 50, 57])
    const {
      neighbours: [labelled],
    } = await searchFeatures(set, images[22]!.values, { metric: 'l2', top: 1 })
    expect(labelled).toMatchObject({ key: images[22]!.key, label: 'even' })
  })

  it('leaves out and counts what cannot be compared, and gives fewer than asked for where there are no more', async () => {
    const broken = images
      .slice(0, 5)
      .map((image, i) =>
        i === 2 || i === 3 ? { ...image, values: Float32Array.from([1, 2, 3, 4, 5, i === 2 ? Number.NaN : Infinity]) } : image,
      )
    const set = await writeSet(broken, [2])
    for (const metric of metrics) {
      const found = await searchFeatures(set, images[4]!.values, { metric, top: 100 })
      expect(found).toMatchObject({ images: 5, notFinite: 2 })
      expect(found.neighbours.map(({ key }) => key)).toEqual(
        naive(
          broken.filter((_, i) => i !== 2 && i !== 3),
          images[4]!.values,
          metric,
          9,
        ).map(({ key }) => key),
      )
    }
  })

  it('refuses queries that cannot be compared', async () => {
    const set = await writeSet(images, [57])
    const cosine = { metric: 'cosine', top: 1 } as const
    await expect(searchFeatures(set, new Float32Array(5), cosine)).rejects.toMatchObject({ code: 'ROW_INVALID' })
    await expect(searchFeatures(set, Float32Array.from([1, 2, 3, Number.NaN, 5, 6]), cosine)).rejects.toMatchObject({
      code: 'FEATURES_INVALID',
    })
    await expect(searchFeatures(set, new Float32Array(6), cosine)).rejects.toMatchObject({
      code: 'FEATURES_INVALID',
      hint: 'use --metric l2',
    })
    expect((await searchFeatures(set, new Float32Array(6), { metric: 'l2', top: 1 })).neighbours[0]).toMatchObject({
      key: images[0]!.key,
      distance: 0,
    })
  })

  it('finds files that are gone, cut off, of another shape, or with more rows than images', async () => {
    const search = (set: StoredLayer): Promise<unknown> =>
      searchFeatures(set, images[1]!.values, { metric: 'l2', top: 1, blockBytes: 5 * 24 })
    const path = 'features/fc/part-00002.npy'
    const gone = await writeSet(images, [10])
    const whole = (await gone.store.get(path))!
    await gone.store.delete(path)
    await expect(search(gone)).rejects.toMatchObject({ code: 'FILE_MISSING' })
    await gone.store.put(path, whole.subarray(0, -4))
    await expect(search(gone)).rejects.toMatchObject({ code: 'FEATURES_INVALID' })
    await gone.store.put(path, (await (await writeSet(images, [11])).store.get(path))!)
    await expect(search(gone)).rejects.toMatchObject({ code: 'FEATURES_INVALID', message: expect.stringContaining('its index 10 images') })
    const flat = await writeSet(images, [10])
    await expect(search({ ...flat, place: { ...flat.place, rowShape: [2, 3] } })).rejects.toMatchObject({ code: 'ROW_INVALID' })
  })

  it('stops when it is told to', async () => {
    const abort = new AbortController()
    const set = await writeSet(images, [10])
    const searching = searchFeatures(set, images[1]!.values, {
      metric: 'l2',
      top: 1,
      signal: abort.signal,
      onProgress: () => abort.abort(new Error('stopped')),
    })
    await expect(searching).rejects.toThrow('stopped')
  })
})

it('reads one image of any part and format, and names one that is not there', async () => {
  for (const format of ['npy', 'parquet', 'safetensors'] as const) {
    const set = await writeSet(images, [10], { format, dtype: 'float32' })
    expect(await storedFeatures(set, images[34]!.key)).toEqual(images[34]!.values)
    await expect(storedFeatures(set, 'other.png')).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' })
  }
})

it('knows equal vectors to the bit', () => {
  const vector = Float32Array.from({ length: 999 }, (_, i) => Math.sin(i) * 10 ** ((i % 30) - 15))
  for (const metric of metrics) expect([...new RowDistances(metric, vector).of(vector)]).toEqual([0])
  expect([...new RowDistances('cosine', vector).of(vector.map(value => -value))]).toEqual([2])
  expect(cosineTo(vector)(vector, 0)).toBe(1)
})

it('measures rows of every length and number as sums in double precision do, each by itself', () => {
  for (const length of [1, 3, 7, 8, 9, 16, 31, 1000, 40_000]) {
    const vector = Float32Array.from({ length }, (_, i) => Math.sin(i + 1))
    const count = Math.min(300, Math.ceil(200_000 / length))
    const values = Float32Array.from({ length: length * count }, (_, i) => Math.cos(i * 0.7) * 3)
    const rows = Array.from({ length: count }, (_, row) => values.subarray(row * length, (row + 1) * length))
    for (const metric of metrics) {
      const distances = new RowDistances(metric, vector)
      const found = distances.of(values)
      expect([...found]).toEqual(rows.map(row => distances.of(row)[0]))
      rows.forEach((row, i) => {
        const sum = (term: (k: number) => number): number => Array.from({ length }, (_, k) => term(k)).reduce((a, b) => a + b, 0)
        const expected =
          metric === 'l2'
            ? Math.sqrt(sum(k => (vector[k]! - row[k]!) ** 2))
            : 1 - sum(k => vector[k]! * row[k]!) / Math.sqrt(sum(k => vector[k]! ** 2) * sum(k => row[k]! ** 2))
        expect(Math.abs(found[i]! - expected), `${metric} ${length} ${i}`).toBeLessThan(1e-12 * (1 + expected))
      })
    }
  }
})

it('has no distance from a row that is not finite, and 1 as the cosine distance between zeros', () => {
  const vector = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (const place of [0, 8]) expect(Number.isFinite(new RowDistances('cosine', vector).of(vector.with(place, bad))[0])).toBe(false)
    expect(Number.isFinite(new RowDistances('l2', vector).of(vector.with(3, bad))[0])).toBe(false)
  }
  expect([...new RowDistances('cosine', new Float32Array(5)).of(new Float32Array(10))]).toEqual([1, 1])
})

it('makes rows of the indexes of parts that may have one of the best, and counts those of the others', async () => {
  const near = (i: number): Image => ({ key: `${i}.png`, values: Float32Array.of(1, 0, 0, 0, 0, i / 100) })
  const far = (i: number): Image => ({ key: `far-${i}.png`, values: Float32Array.of(0, 1, 0, 0, 0, i) })
  const set = await writeSet([near(1), near(2), far(1), far(2), near(0), far(3)], [2])
  const query = Float32Array.of(1, 0, 0, 0, 0, 0)
  const found = {
    neighbours: [
      { key: '0.png', part: 4 },
      { key: '1.png', part: 0 },
    ],
    images: 6,
  }
  expect(await searchFeatures(set, query, { metric: 'l2', top: 2 })).toMatchObject(found)
  // Its columns cannot be read, its number of rows can.
  const path = indexPath(set.parts[1]!)
  const damaged = Uint8Array.from((await set.store.get(path))!)
  damaged.fill(0xff, 4, 200)
  await set.store.put(path, damaged)
  expect(await searchFeatures(set, query, { metric: 'l2', top: 2 })).toMatchObject(found)
  await expect(searchFeatures(set, query, { metric: 'l2', top: 6 })).rejects.toMatchObject({ code: 'RECORD_INVALID' })
  const row = { key: 'far-1.png', part: 2, row: 0, width: 1, height: 1, sha256: 'ab'.repeat(32) }
  await set.store.put(path, encodeIndex([row]))
  await expect(searchFeatures(set, query, { metric: 'l2', top: 2 })).rejects.toMatchObject({ code: 'FEATURES_INVALID' })
})
