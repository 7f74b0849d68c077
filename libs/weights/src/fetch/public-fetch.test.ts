import type { LookupAddress } from 'node:dns'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { publicLookup } from '@layermill/core'
import { loadWeights } from '../load.js'
import { download } from './download.js'
import { publicFetch } from './public-fetch.js'

let server: Server
let port = 0
let folder = ''
let loops = false
const asked: string[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.headers.host} ${request.url} ${request.headers.range ?? ''}`.trim())
    const to = loops ? '/loop' : new URL(request.url ?? '', 'http://here').searchParams.get('to')
    if (to === null) response.writeHead(200, { etag: '"1"' }).end('weights')
    else response.writeHead(302, { location: to }).end('elsewhere')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  folder = await mkdtemp(join(tmpdir(), 'layermill-public-'))
})
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true, force: true })
})

/** Names as a resolver has them: `public.test` is taken for a public one and is this test's server; all others are checked. */
const names: Record<string, string> = { 'inner.test': '127.0.0.1', 'mapped.test': '::ffff:127.0.0.1', 'cloud.test': '169.254.169.254' }
const lookup: LookupFunction = (hostname, options, callback) => {
  if (hostname === 'public.test')
    return options.all === true ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4)
  const resolve = (name: string, _options: object, done: (error: null, addresses: LookupAddress[]) => void): void =>
    done(null, [{ address: names[name] ?? '127.0.0.1', family: names[name]?.includes(':') === true ? 6 : 4 }])
  publicLookup(resolve as never)(hostname, options, callback)
}
const outside = (path: string): string => `http://public.test:${port}${path}`
const refused = expect.objectContaining({ code: 'ADDRESS_REFUSED' }) as Error

it('gets what is public, also behind redirects', async () => {
  const get = publicFetch(lookup)
  const answer = await get(outside(`/a?to=${encodeURIComponent('/b')}`), { headers: { range: 'bytes=3-' } })
  expect([answer.status, answer.headers.get('etag'), await answer.text()]).toEqual([200, '"1"', 'weights'])
  expect(asked.splice(0)).toEqual([`public.test:${port} /a?to=%2Fb bytes=3-`, `public.test:${port} /b bytes=3-`])
})

it.each([
  (at: number) => `http://127.0.0.1:${at}/x`,
  (at: number) => `http://2130706433:${at}/x`,
  (at: number) => `http://0x7f.1:${at}/x`,
  (at: number) => `http://[::ffff:127.0.0.1]:${at}/x`,
  (at: number) => `http://inner.test:${at}/x`,
  (at: number) => `http://mapped.test:${at}/x`,
  (at: number) => `http://cloud.test:${at}/latest/meta-data`,
  () => 'file:///etc/passwd',
])('asks nothing of what is not, given or redirected to: %s', async write => {
  const to = write(port)
  const get = publicFetch(lookup)
  if (to.startsWith('http')) await expect(get(to)).rejects.toThrow(refused)
  expect(asked).toEqual([])
  await expect(get(outside(`/?to=${encodeURIComponent(to)}`))).rejects.toThrow(refused)
  expect(asked.splice(0)).toHaveLength(1)
})

it('gives up where redirects do not end', async () => {
  await expect(publicFetch(lookup)(outside('/loop?to=/loop%3Fto=/loop'))).resolves.toMatchObject({ status: 200 })
  loops = true
  await expect(publicFetch(lookup)(outside('/loop'))).rejects.toThrow(refused)
  loops = false
  asked.length = 0
})

it('ends a download at once, and leaves nothing', async () => {
  const path = join(folder, 'weights.bin')
  await expect(
    download(
      { path, urls: [`http://inner.test:${port}/`, outside('/')], hashes: {} },
      { fetch: publicFetch(lookup), retryDelayMs: 60_000 },
    ),
  ).rejects.toThrow(refused)
  expect(await readdir(folder)).toEqual([])
  await download({ path, urls: [outside('/')], hashes: {} }, { fetch: publicFetch(lookup) })
  expect(await readdir(folder)).toEqual(['weights.bin'])
  await expect(
    download({ path: join(folder, 'big.bin'), urls: [outside('/')], hashes: {}, mostBytes: 3 }, { fetch: publicFetch(lookup) }),
  ).rejects.toMatchObject({ code: 'WEIGHTS_HASH' })
  asked.length = 0
})

it("is how weights are loaded that others name; one's own may be on a local server", async () => {
  for (const host of ['127.0.0.1', 'localhost']) {
    await expect(loadWeights('googlenet', `http://${host}:${port}/model.npz`, { home: folder, publicOnly: true })).rejects.toThrow(refused)
  }
  expect(asked).toEqual([])
  await expect(loadWeights('googlenet', `http://127.0.0.1:${port}/model.npz`, { home: folder })).rejects.toMatchObject({
    code: 'WEIGHTS_FORMAT',
  })
  expect(asked).toEqual([`127.0.0.1:${port} /model.npz`])
})
