import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { publishedPath } from '@layermill/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { urlFile } from './load.js'
import { checkWeightsReach } from './reach.js'
import type { WeightRegistry } from './registry.js'
import { startServer, type TestServer } from './testing/server.js'

let server: TestServer
let home = ''
let registry: WeightRegistry
const body = Buffer.from('weights')

beforeAll(async () => {
  server = await startServer()
  home = await mkdtemp(join(tmpdir(), 'layermill-reach-'))
  const urls = [`${server.url}/gone`, `${server.url}/there`]
  registry = { googlenet: { files: [{ file: 'g.caffemodel', urls, hashes: {} }] } } as unknown as WeightRegistry
})
afterAll(async () => {
  await server.close()
  await rm(home, { recursive: true })
})

const check = (source: string, more: Parameters<typeof checkWeightsReach>[2] = {}): Promise<void> =>
  checkWeightsReach('googlenet', source, { home, registry, ...more })

it('passes where one server has the file, and downloads none of it', async () => {
  server.set('/gone', { body, status: 404 })
  server.set('/there', { body })
  await check('imagenet')
  await check(`${server.url}/there`)
  await check('random:1')
  await check('./some.npz')
  await checkWeightsReach('a-network-of-their-own', 'imagenet', { home, registry })
})

it('says which address has no file, and that none can be reached', async () => {
  server.set('/gone', { body, status: 404 })
  server.set('/there', { body, status: 410 })
  await expect(check('imagenet')).rejects.toMatchObject({
    code: 'WEIGHTS_UNAVAILABLE',
    message: expect.stringMatching(/weights of googlenet cannot be had: .*gone: the server answered 404; .*there: the server answered 410/),
    hint: expect.stringContaining('g.caffemodel'),
  })
  const secret = `${server.url.replace('//', '//user:pass@')}/gone?key=abc`
  const refused = await check(secret, { fetch: () => fetch(`${server.url}/gone`) }).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'WEIGHTS_UNAVAILABLE', message: expect.stringContaining('/gone: the server answered 404') })
  expect(String(refused)).not.toMatch(/pass|abc/)
  const nowhere = (): Promise<Response> => Promise.reject(new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND') }))
  await expect(check('imagenet', { fetch: nowhere })).rejects.toMatchObject({
    message: expect.stringContaining('fetch failed (getaddrinfo ENOTFOUND)'),
  })
  await expect(check('imagenet', { offline: true })).rejects.toMatchObject({ code: 'WEIGHTS_UNAVAILABLE' })
  await expect(check(`${server.url}/gone`, { publicOnly: true })).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' })
})

it('leaves doubts to the run: a server that is slow or has another answer', async () => {
  server.set('/gone', { body, status: 503 })
  server.set('/there', { body, status: 404 })
  await check('imagenet')
  const late: typeof fetch = (_url, init) =>
    new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true }))
  await check('imagenet', { fetch: late, timeoutMs: 10 })
})

it('asks nobody where the file is here', async () => {
  const nobody: typeof fetch = () => Promise.reject(new Error('was asked'))
  for (const path of [publishedPath(home, 'googlenet', 'g.caffemodel'), urlFile(`${server.url}/gone`, { home })]) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, body)
  }
  await check('imagenet', { fetch: nobody })
  await check(`${server.url}/gone`, { fetch: nobody })
})
