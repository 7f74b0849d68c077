import { readFileSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ExtractSpec, parseSpec, type RunRecord } from '@layermill/contracts'
import { openRun, type RunProgress, superviseRun } from '@layermill/orchestrator/run'
import { compose, type Composition } from 'layermill'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage, writeImages } from '../../helpers/images.js'
import { fileHashes, filesBelow, readRun } from '../../helpers/results.js'

const folder = testFolder('cache')
let composition: Composition
let notes: string[] = []
let photos: string
let cache: string
/** Folder of the files of a run without a cache. */
let plain: string

const place = async (name: string): Promise<string> => join(await folder(), name)

/** An extraction in parts of four images, in this process. */
async function extract(
  name: string,
  fields: Record<string, unknown> = {},
  onProgress?: (progress: RunProgress, out: string) => void,
): Promise<{ out: string; record: RunRecord }> {
  const out = await place(name)
  const spec = parseSpec({
    kind: 'extract',
    source: photos,
    model: 'googlenet',
    weights: 'random:1',
    layers: ['conv2'],
    size: '32x32',
    device: 'cpu',
    partSize: 4,
    batchSize: 3,
    maxErrors: 1,
    out,
    ...fields,
  }) as ExtractSpec
  const { environment } = composition
  const store = await environment.openStore(out)
  const { record } = await openRun(spec, store, environment)
  const told = onProgress === undefined ? {} : { onProgress: (progress: RunProgress) => onProgress(progress, out) }
  return { out, record: await superviseRun(record, { environment, store, signal: new AbortController().signal, ...told }) }
}

beforeAll(async () => {
  photos = await place('photos')
  cache = await place('cache')
  await writeImages(photos, 9)
  await writeFile(join(photos, 'broken.png'), 'no picture')
  composition = compose({ engine: 'onnx', device: 'cpu', note: text => notes.push(text) })
  plain = (await extract('plain')).out
})
beforeEach(() => {
  notes = []
})
afterAll(() => composition?.close())

const segments = async (): Promise<string[]> => (await filesBelow(cache)).filter(path => path.startsWith('cache-v1/segments/'))
const bytesOfSegments = async (): Promise<number> => {
  const sizes = await Promise.all((await segments()).map(async path => (await stat(join(cache, path))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

it('a session tells what it made once it has ended, and not meanwhile what the one before made', async () => {
  const source = await place('growing')
  await writeImages(source, 5)
  const fields = { source, update: true, cache: await place('cache-of-growing') }
  expect((await extract('grown', fields)).record.counts).not.toHaveProperty('computed')
  await writeImages(source, 2, 'new')
  expect((await extract('grown', fields)).record).toMatchObject({ counts: { done: 7, computed: 2 }, found: { added: 2 } })
  await writeImages(source, 3, 'newer')
  const meanwhile: RunRecord[] = []
  const { record } = await extract('grown', fields, (progress, out) => {
    if (progress.planned) meanwhile.push(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as RunRecord)
  })
  expect(meanwhile[0]).toMatchObject({ state: 'running', counts: { images: 10, done: 7 }, found: { added: 3 } })
  expect(meanwhile[0]!.counts).not.toHaveProperty('computed')
  expect(record).toMatchObject({ counts: { done: 10, computed: 3 }, found: { added: 3 } })
})

describe('a cache across runs', () => {
  it('has all of a second run over the same images, which then writes the same bytes as one without', async () => {
    const first = await extract('first', { cache })
    const second = await extract('second', { cache })
    expect((await readRun(plain)).counts).toEqual({ images: 10, done: 9, failed: 1, parts: 3 })
    expect((await readRun(first.out)).counts).toEqual({ images: 10, done: 9, failed: 1, parts: 3, cached: 0 })
    expect((await readRun(second.out)).counts).toEqual({ images: 10, done: 9, failed: 1, parts: 3, cached: 9 })
    expect(await fileHashes(first.out)).toEqual(await fileHashes(plain))
    expect(await fileHashes(second.out)).toEqual(await fileHashes(plain))
  })

  it('computes an added layer alone, and of an overlapping dataset the new images', async () => {
    const before = await segments()
    const layers = ['conv2', 'pool1']
    const added = await extract('added', { layers, cache })
    const after = await segments()
    expect(await fileHashes(added.out)).toEqual(await fileHashes((await extract('added-plain', { layers })).out))
    // Three parts of one new layer; the other's are left as they are.
    expect(after.filter(path => !before.includes(path))).toHaveLength(3)
    expect(after).toEqual(expect.arrayContaining(before))

    const source = await place('others')
    for (let seed = 5; seed < 12; seed++) await writeImage(source, `renamed/${20 - seed}.png`, seed)
    const overlapping = await extract('overlapping', { source, layers, cache })
    expect(overlapping.record.counts).toMatchObject({ done: 7, cached: 4 })
    expect(await fileHashes(overlapping.out)).toEqual(await fileHashes((await extract('overlapping-plain', { source, layers })).out))
  })

  it('computes again what is damaged', async () => {
    for (const path of await segments()) {
      const bytes = await readFile(join(cache, path))
      bytes[bytes.length - 100]! ^= 1
      await writeFile(join(cache, path), bytes)
    }
    const again = await extract('damaged', { cache })
    expect(await fileHashes(again.out)).toEqual(await fileHashes(plain))
    const mended = await extract('mended', { cache })
    expect(mended.record.counts).toMatchObject({ done: 9, cached: 9 })
    expect(await fileHashes(mended.out)).toEqual(await fileHashes(plain))
  })

  it('serves runs of several processes at once, and stays within its limit', async () => {
    cache = await place('shared')
    const flags = ['--part-size', '4', '--max-errors', '1', '--cache', cache, '--cache-size', '1MB']
    const [a, b, c] = [await place('both-a'), await place('both-b'), await place('third')]
    const both = await Promise.all([a, b].map(out => runCli(smallRun(photos, out, ...flags))))
    for (const { code, stderr } of both) expect(code, stderr).toBe(3)
    for (const out of [a, b]) expect(await fileHashes(out)).toEqual(await fileHashes(plain))
    // A segment of four images' conv2 is 197 kB: nine images fit, and those of another size then do not as well.
    expect(await bytesOfSegments()).toBeGreaterThan(400_000)
    const third = await runCli(smallRun(photos, c, ...flags))
    expect(third.stdout).toContain('9 images (9 from the cache), 1 failed: conv2')
    expect(third.stderr).toContain('9 from the cache')
    await extract('larger', { cache, cacheSize: 1e6, size: '48x48' })
    expect(await bytesOfSegments()).toBeGreaterThan(400_000)
    expect(await bytesOfSegments()).toBeLessThanOrEqual(1e6)
  })

  it('does not fail a run where it cannot be used, and says so once', async () => {
    const file = await place('a-file')
    await writeFile(file, '')
    const { out, record } = await extract('no-cache', { cache: join(file, 'below') })
    expect(record.counts).toMatchObject({ done: 9, cached: 0 })
    expect(await fileHashes(out)).toEqual(await fileHashes(plain))
    expect(notes).toEqual([expect.stringMatching(/^cache file:.* from here on: /)])
  })

  it('serves predictions', async () => {
    const predict = async (name: string): Promise<string> => {
      const out = await place(name)
      const result = await runCli([
        'predict',
        photos,
        '--model',
        'googlenet',
        '--weights',
        'random:1',
        '--device',
        'cpu',
        '--max-errors',
        '1',
        '--cache',
        cache,
        '--out',
        out,
      ])
      expect(result.code, result.stderr).toBe(3)
      return readFile(out, 'utf8')
    }
    const first = await predict('first.csv')
    expect(await predict('second.csv')).toBe(first)
    expect((await readRun(await place('second.csv.run'))).counts).toMatchObject({ done: 9, cached: 9 })
  })
})
