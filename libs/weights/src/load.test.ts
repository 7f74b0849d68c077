import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { getNetwork, parameterShapes } from '@layermill/models'
import { canonicalPath, fromBytes, publishedPath } from '@layermill/core'
import { loadWeights } from './load.js'
import { importWeights, listWeights, verifyWeights } from './manage.js'
import { type FetchOptions, fetchWeights, type WeightsProgress } from './published.js'
import type { WeightRegistry } from './registry.js'
import { encodeCaffemodel } from './testing/fabricate.js'
import { startServer, type TestServer } from './testing/server.js'
import type { WeightSet } from './types.js'

const inceptionBranches: Record<string, string> = {
  conv1: '1x1',
  proj3: '3x3_reduce',
  conv3: '3x3',
  proj5: '5x5_reduce',
  conv5: '5x5',
  projp: 'pool_proj',
}
const outside: Record<string, string> = {
  conv1: 'conv1/7x7_s2', conv2_reduce: 'conv2/3x3_reduce', conv2: 'conv2/3x3', loss3_fc: 'loss3/classifier',
  loss1_conv: 'loss1/conv', loss1_fc1: 'loss1/fc', loss1_fc2: 'loss1/classifier',
  loss2_conv: 'loss2/conv', loss2_fc1: 'loss2/fc', loss2_fc2: 'loss2/classifier',
} // prettier-ignore

/** A GoogLeNet as BVLC's file has it: the smallest whole network. */
function googlenetCaffemodel({ tensors }: WeightSet): Buffer {
  const links = [...tensors.keys()].filter(name => name.endsWith('/W')).map(name => name.slice(0, -2))
  const layers = links.map(link => {
    const inception = /^inc(\d\w)\/(\w+)$/.exec(link)
    const name = inception === null ? outside[link]! : `inception_${inception[1]}/${inceptionBranches[inception[2]!]}`
    return { name, blobs: [tensors.get(`${link}/W`)!, tensors.get(`${link}/b`)!] }
  })
  return encodeCaffemodel(layers, { layout: 'V1' })
}

let server: TestServer
let root = ''
let home = ''
let random: WeightSet
let file: Buffer
let registry: WeightRegistry
beforeAll(async () => {
  server = await startServer()
  root = await mkdtemp(join(tmpdir(), 'layermill-load-'))
  random = await loadWeights('googlenet', 'random:test')
  file = googlenetCaffemodel(random)
  const sha256 = createHash('sha256').update(file).digest('hex')
  const published = {
    file: 'bvlc.caffemodel',
    format: 'caffemodel',
    urls: [`${server.url}/bvlc`],
    bytes: file.length,
    hashes: { sha256 },
    licence: 'none',
    origin: 'a test',
  } as const
  registry = { googlenet: { files: [published] } }
})
afterAll(async () => {
  await server.close()
  await rm(root, { recursive: true, force: true })
})
beforeEach(async () => {
  home = await mkdtemp(join(root, 'home-'))
  server.requests.length = 0
  server.set('/bvlc', { body: file })
})

const options = (more: FetchOptions = {}): FetchOptions => ({ home, registry, retryDelayMs: 1, ...more })

describe('imagenet', () => {
  it('is fetched and converted once', async () => {
    const kinds = new Set<string>()
    const weights = await loadWeights('googlenet', 'imagenet', options({ onProgress: ({ kind }) => kinds.add(kind) }))
    expect(weights).toMatchObject({ sha256: random.sha256, source: 'bvlc.caffemodel', format: 'caffemodel', variant: {} })
    expect([...kinds]).toEqual(['download', 'converting'])
    const again = await loadWeights('googlenet', 'imagenet', options({ offline: true }))
    expect(again).toMatchObject({ sha256: random.sha256, source: 'bvlc.caffemodel', format: 'safetensors' })
    expect(server.requests).toHaveLength(1)
  })

  it('is downloaded once when asked for several times at once', async () => {
    const seen: WeightsProgress['kind'][] = []
    const all = await Promise.all(
      Array.from({ length: 3 }, () =>
        fetchWeights('googlenet', options({ onProgress: ({ kind }) => void (kind === 'waiting' && seen.push(kind)) })),
      ),
    )
    expect(new Set(all.map(({ sha256 }) => sha256))).toEqual(new Set([random.sha256]))
    expect(seen).toEqual(['waiting', 'waiting'])
    expect(server.requests).toHaveLength(1)
  })

  it('takes a file that somebody put in place, and refuses a wrong one by its hash', async () => {
    const path = publishedPath(home, 'googlenet', 'bvlc.caffemodel')
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, file.subarray(0, 1000))
    await expect(loadWeights('googlenet', 'imagenet', options({ offline: true }))).rejects.toMatchObject({
      code: 'WEIGHTS_HASH',
      message: expect.stringContaining(path) as unknown,
    })
    await writeFile(path, file)
    expect((await loadWeights('googlenet', 'imagenet', options({ offline: true }))).sha256).toBe(random.sha256)
    expect(server.requests).toHaveLength(0)
  })

  it('offline, says which file to put where', async () => {
    await expect(loadWeights('googlenet', 'imagenet', options({ offline: true }))).rejects.toMatchObject({
      code: 'WEIGHTS_UNAVAILABLE',
      hint: expect.stringContaining(
        `put the file at ${publishedPath(home, 'googlenet', 'bvlc.caffemodel')} (${file.length} bytes, sha256 `,
      ) as unknown,
    })
    const gone = { googlenet: { files: [{ ...registry['googlenet']!.files[0]!, urls: ['http://127.0.0.1:1/x'] }] } }
    await expect(loadWeights('googlenet', 'imagenet', options({ registry: gone, attempts: 1 }))).rejects.toMatchObject({
      code: 'WEIGHTS_UNAVAILABLE',
    })
  })

  it('keeps to its time limit', async () => {
    server.set('/bvlc', { body: file, hangAfter: 1000 })
    await expect(loadWeights('googlenet', 'imagenet', options({ timeoutMs: 150 }))).rejects.toMatchObject({
      code: 'WEIGHTS_UNAVAILABLE',
      message: expect.stringContaining('not within 150 ms') as unknown,
    })
  })

  it('stops when told to, with the reason given', async () => {
    const controller = new AbortController()
    server.set('/bvlc', { body: file, hangAfter: 1000 })
    const stopped = loadWeights(
      'googlenet',
      'imagenet',
      options({ signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) }),
    )
    await expect(stopped).rejects.toThrow('enough')
  })

  it('goes to the mirror first', async () => {
    server.set('/mirror/googlenet/bvlc.caffemodel', { body: file })
    await fetchWeights('googlenet', options({ mirror: `${server.url}/mirror/` }))
    expect(server.requests.map(({ path }) => path)).toEqual(['/mirror/googlenet/bvlc.caffemodel'])
  })

  it('makes converted weights again that were damaged', async () => {
    await fetchWeights('googlenet', options())
    const path = canonicalPath(home, 'googlenet')
    const bytes = await readFile(path)
    bytes[bytes.length - 3]! ^= 1
    await writeFile(path, bytes)
    expect((await verifyWeights(home, registry)).map(({ ok }) => ok)).toEqual([true, false])
    expect((await loadWeights('googlenet', 'imagenet', options({ offline: true }))).sha256).toBe(random.sha256)
    expect((await verifyWeights(home, registry)).map(({ ok }) => ok)).toEqual([true, true])
  })

  it('says when its home cannot be written', async () => {
    const path = join(home, 'a-file')
    await writeFile(path, '')
    await expect(loadWeights('googlenet', 'imagenet', options({ home: path }))).rejects.toMatchObject({
      code: 'WEIGHTS_UNAVAILABLE',
      hint: expect.stringContaining('LAYERMILL_HOME') as unknown,
    })
  })

  it("says of torchvision's GoogLeNet that a pickle is not read, and what to do", async () => {
    await expect(loadWeights('googlenet.tv', 'imagenet', { home })).rejects.toMatchObject({
      code: 'WEIGHTS_UNAVAILABLE',
      hint: expect.stringContaining('safetensors.torch.save_file') as unknown,
    })
  })
})

describe('other sources', () => {
  it('come from URLs, downloaded once, and from stores', async () => {
    server.set('/dir/w.caffemodel?key=secret', { body: file })
    const url = `${server.url}/dir/w.caffemodel?key=secret`
    for (let i = 0; i < 2; i++) {
      const weights = await loadWeights('googlenet', url, options())
      expect(weights).toMatchObject({ sha256: random.sha256, source: `${server.url}/dir/w.caffemodel` })
    }
    expect(server.requests).toHaveLength(1)
    await expect(loadWeights('googlenet', `${url}2`, { ...options(), sha256: '0'.repeat(64) })).rejects.toMatchObject({
      code: 'WEIGHTS_UNAVAILABLE',
    })
    const open = (): Promise<ReturnType<typeof fromBytes>> => Promise.resolve(fromBytes(file))
    expect((await loadWeights('googlenet', 's3://bucket/w', { open })).sha256).toBe(random.sha256)
    await expect(loadWeights('googlenet', 's3://bucket/w')).rejects.toMatchObject({ code: 'WEIGHTS_NOT_FOUND' })
    await expect(loadWeights('googlenet', join(home, 'nowhere.npz'))).rejects.toMatchObject({ code: 'WEIGHTS_NOT_FOUND' })
    await expect(loadWeights('googlenet', home)).rejects.toMatchObject({
      code: 'WEIGHTS_NOT_FOUND',
      message: expect.stringContaining('without model.safetensors') as string,
    })
    await expect(loadWeights('googlenot', 'random')).rejects.toMatchObject({ code: 'MODEL_UNKNOWN' })
  })

  it('refuses a URL whose bytes do not have the hash asked for', async () => {
    server.set('/hashed', { body: file })
    await expect(loadWeights('googlenet', `${server.url}/hashed`, { ...options(), sha256: '0'.repeat(64) })).rejects.toMatchObject({
      code: 'WEIGHTS_HASH',
    })
  })

  it.each(['googlenet', 'googlenet.tv', 'resnet50'])('import %s into both formats and back', async id => {
    const original = await loadWeights(id, 'random:7')
    for (const ending of ['npz', 'safetensors']) {
      const out = join(home, 'new', `${id}.${ending}`)
      expect(await importWeights('random:7', id, out)).toMatchObject({ path: out, sha256: original.sha256 })
      const back = await loadWeights(id, pathToFileURL(out).href)
      expect(back).toMatchObject({ sha256: original.sha256, variant: {} })
      expect([...back.tensors.keys()]).toEqual([...parameterShapes(getNetwork(id)).keys()])
    }
    await expect(importWeights('random', id, join(home, 'x.pth'))).rejects.toMatchObject({ code: 'WEIGHTS_FORMAT' })
  })

  it('import keeps weights where imagenet finds them, and list shows them', async () => {
    const saved = join(home, 'googlenet.safetensors')
    await importWeights('random:7', 'googlenet.tv', saved)
    await importWeights(saved, 'googlenet.tv', undefined, { home })
    const weights = await loadWeights('googlenet.tv', 'imagenet', { home })
    expect(weights.sha256).toBe((await loadWeights('googlenet.tv', 'random:7')).sha256)
    const listed = await listWeights(home)
    expect(listed).toHaveLength(12)
    expect(listed.find(({ network }) => network === 'googlenet.tv')!.ready).toMatchObject({
      bytes: (await stat(canonicalPath(home, 'googlenet.tv'))).size,
      sha256: weights.sha256,
    })
    expect(listed.find(({ network }) => network === 'vgg16')).toMatchObject({
      published: [{ file: 'VGG_ILSVRC_16_layers.caffemodel', present: false }, {}],
    })
  })
})
