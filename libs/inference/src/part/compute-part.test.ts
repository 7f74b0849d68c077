import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ExtractSpec, manifestPath, parseSpec, type PartResult, type RunRecord } from '@layermill/contracts'
import { LayermillError, type Tensor } from '@layermill/core'
import { getNetwork } from '@layermill/models'
import {
  encodeManifest,
  FeatureCache,
  type ImageSource,
  openStore,
  parseErrors,
  parseIndex,
  readFeatureRows,
  type Store,
} from '@layermill/storage'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { RunCache } from '../cache/run-cache.js'
import { computePart } from './compute-part.js'
import { PhaseClock } from './phase-clock.js'

/** PNG files of 3x2 pixels, in one grey each. */
const png = (end: string): Uint8Array =>
  Buffer.from(`iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAADklEQVQImW${end}`, 'base64')
const images: Readonly<Record<string, Uint8Array>> = {
  'dark.png': png('PgggEGOAsABxwAtaY/cy0AAAAASUVORK5CYII='),
  'middle.png': png('OogAEGOAsAVHQIcQXt7c8AAAAASUVORK5CYII='),
  'light.png': png('P4AAMMcBYAqNQQ4YsQ2J0AAAAASUVORK5CYII='),
  'broken.png': Buffer.from('no picture'),
}
const network = getNetwork('googlenet')

let root: string
let caches: FeatureCache[]

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-part-'))
  caches = []
})
afterEach(async () => {
  for (const cache of caches) await cache.close()
  await rm(root, { recursive: true, force: true })
})

interface Computed {
  readonly result: PartResult
  /** Sizes and layers of the batches that were computed. */
  readonly batches: string[]
  readonly store: Store
}

/** Which numbers a layer gives: what the first layer of the image is, times a factor, at every place. */
const factors: Readonly<Record<string, number>> = {
  conv1: 1,
  pool1: 3,
  conv2: 5,
  inception_3a: 1000,
  inception_3b: NaN,
  inception_4a: Infinity,
}

/** Computes a part of these images, in batches of two. A layer's row is [channels, 2, 2]. */
async function compute(
  name: string,
  keys: readonly string[],
  layers: readonly string[],
  options: { cached?: boolean; augmentCopy?: number; spec?: Pick<Partial<ExtractSpec>, 'dtype' | 'format' | 'onOverflow' | 'pool'> } = {},
): Promise<Computed> {
  const store = openStore(join(root, name))
  const spec = parseSpec({
    kind: 'extract',
    source: '/photos',
    model: 'googlenet',
    layers: [...layers],
    out: join(root, name),
    size: '32x32',
    pool: 'avg',
    ...options.spec,
  }) as ExtractSpec
  const { dtype, format, pool } = spec
  const shape = pool === 'none' ? [4, 2, 2] : [4]
  const augment = options.augmentCopy === undefined ? {} : { augment: { names: ['flip'], seed: 1, copy: options.augmentCopy } }
  const record: RunRecord = {
    version: 1,
    id: `extract-${name}`,
    state: 'running',
    generation: 0,
    spec,
    partSize: 10,
    batchSize: 2,
    planned: true,
    identity: {
      model: 'googlenet',
      weights: 'w',
      layers: [...layers],
      precision: 'fp32',
      pool,
      dtype,
      format,
      preparation: { version: '1', size: { height: 32, width: 32 }, resample: 'bicubic', autoOrient: false, oversample: false, ...augment },
    },
    layers: layers.map(layer => ({ name: layer, shape, dtype, bytesPerImage: 16 })),
    counts: { images: keys.length, done: 0, failed: 0, parts: 1 },
    created: '',
    versions: {},
  }
  await store.put(manifestPath(0), encodeManifest(keys.map(key => ({ key, etag: '1', bytes: 1 }))))
  const source: ImageSource = {
    url: '/photos',
    kind: 'folder',
    items: async function* () {},
    close: async () => {},
    [Symbol.asyncDispose]: async () => undefined,
    read: async ({ key }) => images[key.replace(/^.*\//, '')] ?? Promise.reject(new LayermillError('IMAGE_MISSING', key)),
  }
  const batches: string[] = []
  const run = async ({ shape, data }: Tensor, wanted: readonly string[] = layers): Promise<Map<string, Tensor>> => {
    const count = shape[0]!
    batches.push(`${count} ${wanted.join()}`)
    const row = (layer: string, i: number): number[] => Array<number>(16).fill(data[(i * data.length) / count]! * factors[layer]!)
    const values = (layer: string): Float32Array => Float32Array.from(Array.from({ length: count }, (_, i) => row(layer, i)).flat())
    return new Map(wanted.map(layer => [layer, { shape: [count, 4, 2, 2], data: values(layer) }]))
  }
  const cache =
    options.cached === false ? undefined : new FeatureCache(openStore(join(root, 'cache')), { limit: 1e9, note: text => expect.fail(text) })
  if (cache !== undefined) caches.push(cache)
  const result = await computePart({
    record,
    store,
    source,
    part: 0,
    reducers: new Map(),
    readAhead: 4,
    report: () => undefined,
    clock: new PhaseClock(),
    signal: new AbortController().signal,
    loaded: { network, weights: { variant: {}, source: '', format: 'random', sha256: 'w' }, labels: [] },
    extractor: { run },
    batchSize: async () => 2,
    cache: cache && new RunCache(cache, { record, network, engine: { name: 'onnx', version: 'test', device: 'cpu' }, cpu: 'x64-fma.0' }),
  })
  return { result, batches, store }
}

async function files(store: Store): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const { key } of store.list('')) found[key] = Buffer.from((await store.get(key))!).toString('base64')
  return found
}

const all = ['dark.png', 'broken.png', 'middle.png', 'light.png']

it('computes nothing that the cache has, and writes the same files', async () => {
  const plain = await compute('plain', all, ['conv1'], { cached: false })
  const first = await compute('first', all, ['conv1'])
  const second = await compute('second', all, ['conv1'])
  expect(plain.result).toEqual({ images: 3, failed: 1 })
  expect(first).toMatchObject({ result: { images: 3, failed: 1, cached: 0 }, batches: ['2 conv1', '1 conv1'] })
  expect(second).toMatchObject({ result: { images: 3, failed: 1, cached: 3 }, batches: [] })
  expect(await files(first.store)).toEqual(await files(plain.store))
  expect(await files(second.store)).toEqual(await files(plain.store))
  const index = await parseIndex((await second.store.get('index/part-00000.parquet'))!, 'index')
  expect(index.map(({ key, width, height }) => [key, width, height])).toEqual([
    ['dark.png', 3, 2],
    ['middle.png', 3, 2],
    ['light.png', 3, 2],
  ])
  expect(parseErrors((await second.store.get('errors/part-00000.jsonl'))!, 'errors').map(({ code }) => code)).toEqual([
    'IMAGE_NOT_AN_IMAGE',
  ])
})

it('computes only a new layer, and only new images, whatever they are called and in which order they come', async () => {
  await compute('first', ['dark.png', 'light.png'], ['conv1'])
  const added = await compute('added', ['light.png', 'dark.png'], ['pool1', 'conv1'])
  expect(added).toMatchObject({ result: { images: 2, cached: 0 }, batches: ['2 pool1'] })
  // Some lack both layers, some one: batches are of those that lack the same.
  const mixed = await compute('mixed', ['dark.png', 'light.png', 'middle.png'], ['conv1', 'conv2'])
  expect(mixed).toMatchObject({ result: { images: 3, cached: 0 }, batches: ['2 conv2', '1 conv1,conv2'] })
  const overlapping = await compute('overlapping', ['a/dark.png', 'a/middle.png', 'b/light.png', 'b/middle.png'], ['conv1', 'pool1'])
  expect(overlapping).toMatchObject({ result: { images: 4, cached: 2 }, batches: ['2 pool1'] })
  for (const [run, keys, layers] of [
    [added, ['light.png', 'dark.png'], ['pool1', 'conv1']],
    [overlapping, ['a/dark.png', 'a/middle.png', 'b/light.png', 'b/middle.png'], ['conv1', 'pool1']],
    [mixed, ['dark.png', 'light.png', 'middle.png'], ['conv1', 'conv2']],
  ] as const) {
    const plain = await compute(`plain ${layers.join()}`, keys, layers, { cached: false })
    expect(await files(run.store)).toEqual(await files(plain.store))
  }
  const rows = await readFeatureRows('npy', (await mixed.store.get('features/conv2/part-00000.npy'))!, 'conv2')
  expect(rows.shape).toEqual([3, 4])
})

it('tells augmented images of the same bytes apart by their keys and copies', async () => {
  const first = await compute('first', ['dark.png'], ['conv1'], { augmentCopy: 0 })
  expect(first.batches).toEqual(['1 conv1'])
  expect((await compute('again', ['dark.png'], ['conv1'], { augmentCopy: 0 })).result.cached).toBe(1)
  expect((await compute('copy', ['dark.png'], ['conv1'], { augmentCopy: 1 })).result.cached).toBe(0)
  expect((await compute('key', ['other/dark.png'], ['conv1'], { augmentCopy: 0 })).result.cached).toBe(0)
  expect((await compute('plain', ['dark.png'], ['conv1'])).result.cached).toBe(0)
})

async function overflow(
  name: string,
  layer: string,
  spec: Pick<Partial<ExtractSpec>, 'dtype' | 'format' | 'onOverflow' | 'pool'>,
  cached = false,
) {
  const { result, store } = await compute(name, ['dark.png', 'middle.png', 'light.png'], [layer], { cached, spec })
  const errors = parseErrors((await store.get('errors/part-00000.jsonl')) ?? '', 'errors')
  const index = await parseIndex((await store.get('index/part-00000.parquet'))!, 'index')
  const commit = JSON.parse(Buffer.from((await store.get('commits/part-00000.json'))!).toString()) as { overflow?: number }
  return { result, store, errors, index, commit }
}

// The images give about -96,000, 32,000 and 144,000.
it.each(['npy', 'parquet', 'safetensors'] as const)(
  'leaves images out whose values float16 cannot hold, or counts them, %s',
  async format => {
    for (const pool of ['none', 'avg', 'max'] as const) {
      const values = pool === 'none' ? 16 : 4
      const failed = await overflow(`fail ${pool}`, 'inception_3a', { dtype: 'float16', format, pool })
      expect(failed.result).toEqual({ images: 1, failed: 2 })
      expect(failed.errors.map(({ key, code }) => [key, code])).toEqual([
        ['dark.png', 'VALUE_OVERFLOW'],
        ['light.png', 'VALUE_OVERFLOW'],
      ])
      expect(failed.errors[0]!.reason).toMatch(`${values} of ${values} values of inception_3a are too large for float16 (largest 65504)`)
      expect(failed.index.map(({ key, overflow: count }) => [key, count])).toEqual([['middle.png', undefined]])
      expect(failed.commit.overflow).toBeUndefined()

      const written = await overflow(`warn ${pool}`, 'inception_3a', { dtype: 'float16', format, pool, onOverflow: 'warn' })
      expect(written.result).toEqual({ images: 3, failed: 0, overflow: 2 * values })
      expect(written.index.map(({ key, overflow: count }) => [key, count])).toEqual([
        ['dark.png', values],
        ['middle.png', 0],
        ['light.png', values],
      ])
      expect(written.commit.overflow).toBe(2 * values)
      const rows = await readFeatureRows(
        format,
        (await written.store.get(`features/inception_3a/part-00000.${format}`)) ??
          (await written.store.get(`features/part-00000.${format}`))!,
        'inception_3a',
      )
      expect([...rows.data].filter(value => !Number.isFinite(value))).toHaveLength(2 * values)
    }
    const wide = await overflow('float32', 'inception_3a', { format })
    expect(wide.result).toEqual({ images: 3, failed: 0 })
  },
)

it.each([
  ['inception_3b', 'float32'],
  ['inception_3b', 'float16'],
  ['inception_4a', 'float32'],
] as const)('leaves images out whose %s the network computes as no finite number, %s', async (layer, dtype) => {
  const { result, errors } = await overflow('fail', layer, { dtype })
  expect(result).toEqual({ images: 0, failed: 3 })
  expect(errors[0]).toMatchObject({
    key: 'dark.png',
    code: 'VALUE_OVERFLOW',
    reason: expect.stringMatching(/4 of 4 values of .* are no finite numbers \(NaN or infinite\) as the network computes them/) as string,
  })
  expect((await overflow('warn', layer, { dtype, onOverflow: 'warn' })).result).toEqual({ images: 3, failed: 0, overflow: 12 })
})

it('holds values of the cache against the same limit', async () => {
  expect((await overflow('first', 'inception_3a', { dtype: 'float16', onOverflow: 'warn' }, true)).result).toEqual({
    images: 3,
    failed: 0,
    overflow: 8,
    cached: 0,
  })
  expect((await overflow('second', 'inception_3a', { dtype: 'float16', onOverflow: 'warn' }, true)).result).toEqual({
    images: 3,
    failed: 0,
    overflow: 8,
    cached: 3,
  })
  expect((await overflow('third', 'inception_3a', { dtype: 'float16' }, true)).result).toEqual({ images: 1, failed: 2, cached: 3 })
})
