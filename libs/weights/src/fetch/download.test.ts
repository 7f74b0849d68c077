import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../testing/server.js'
import { download, type DownloadProgress, type DownloadTarget } from './download.js'

let server: TestServer
let folder = ''
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-download-'))
  server.requests.length = 0
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const body = Buffer.alloc(200_000)
body.forEach((_, i) => (body[i] = (i * 31) % 251))
const sha256 = createHash('sha256').update(body).digest('hex')
const other = Buffer.alloc(200_000, 7)

const target = (urls: string[], known: Partial<DownloadTarget> = {}): DownloadTarget => ({
  path: join(folder, 'weights.bin'),
  urls: urls.map(url => `${server.url}${url}`),
  bytes: body.length,
  hashes: { sha256 },
  ...known,
})
const fast = { retryDelayMs: 1, stallMs: 5000 }
/** The server breaks off as soon as something of what it sent has arrived. */
const cut = { onProgress: () => server.cut() }

async function expectWhole(): Promise<void> {
  expect((await readFile(join(folder, 'weights.bin'))).equals(body)).toBe(true)
  expect(await readdir(folder)).toEqual(['weights.bin'])
}

describe('download', () => {
  it('takes the whole file and tells how far it is', async () => {
    server.set('/a', { body })
    const seen: DownloadProgress[] = []
    await download(target(['/a']), { ...fast, onProgress: progress => seen.push(progress) })
    await expectWhole()
    expect(seen.at(-1)).toMatchObject({ received: body.length, total: body.length })
  })

  it('goes on where the connection was cut, as often as it takes, if the file is unchanged', async () => {
    server.set('/cut', { body, hangAfter: 30_000 })
    await download(target(['/cut']), { ...fast, ...cut, attempts: 2 })
    await expectWhole()
    expect(server.requests.length).toBeGreaterThanOrEqual(7)
    expect(server.requests.at(-1)!.headers).toMatchObject({ 'if-range': '"1"', range: expect.stringMatching(/^bytes=\d+-$/) as unknown })
  })

  it('begins again when the file changed meanwhile', async () => {
    server.set('/changed', { body: other, etag: '"old"', hangAfter: 50_000 }, { body, etag: '"new"' })
    await download(target(['/changed']), { ...fast, ...cut })
    await expectWhole()
    expect(server.requests).toHaveLength(2)
  })

  it('begins again when the server ignores the range', async () => {
    server.set('/whole', { body, hangAfter: 50_000 }, { body, ignoreRange: true })
    await download(target(['/whole']), { ...fast, ...cut })
    await expectWhole()
  })

  it('goes on with another server when size and hash are known', async () => {
    server.set('/first', { body, hangAfter: 50_000 }, { body, status: 404 })
    server.set('/second', { body, etag: '"elsewhere"' })
    await download(target(['/first', '/second']), { ...fast, ...cut })
    await expectWhole()
    const [range] = /\d+/.exec(server.requests.at(-1)!.headers.range ?? '') ?? []
    expect(Number(range)).toBeGreaterThan(0)
  })

  it('does not trust another server with the rest of a file of unknown hash', async () => {
    server.set('/first', { body: other, hangAfter: 50_000 }, { body, status: 404 })
    server.set('/second', { body })
    await download(target(['/first', '/second'], { hashes: {}, bytes: undefined }), { ...fast, ...cut })
    await expectWhole()
    expect(server.requests.at(-1)!.headers.range).toBeUndefined()
  })

  it('gives up a connection that brings nothing', async () => {
    server.set('/hangs', { body, hangAfter: 1000 }, { body, hangAfter: 0 }, { body })
    await download(target(['/hangs']), { retryDelayMs: 1, stallMs: 1000 })
    await expectWhole()
    expect(server.requests).toHaveLength(3)
  })

  it('notices an end that comes too early without a length', async () => {
    server.set('/short', { body: body.subarray(0, 1000), chunked: true }, { body, chunked: true })
    await download(target(['/short']), fast)
    await expectWhole()
  })

  it('retries errors that pass and goes on with the next URL after others', async () => {
    server.set('/busy', { body, status: 503 }, { body, status: 429 }, { body })
    await download(target(['/gone', '/busy']), fast)
    await expectWhole()
    expect(server.requests.map(({ path }) => path)).toEqual(['/gone', '/busy', '/busy', '/busy'])
  })

  it('refuses wrong bytes, wherever they come from, and keeps nothing of them', async () => {
    server.set('/wrong', { body: other })
    server.set('/size', { body: Buffer.from('<html>not here</html>') })
    await expect(download(target(['/wrong', '/size']), fast)).rejects.toMatchObject({
      code: 'WEIGHTS_HASH',
      message: expect.stringMatching(/its sha256 is .* expected .*21 bytes, expected 200000/s) as unknown,
    })
    expect(await readdir(folder)).toEqual([])
  })

  it('begins again when what an earlier attempt left was wrong', async () => {
    server.set('/a', { body })
    await writeFile(join(folder, 'weights.bin.part'), other.subarray(0, 60_000))
    await writeFile(join(folder, 'weights.bin.part.json'), JSON.stringify({ url: `${server.url}/a`, validator: '"1"' }))
    await download(target(['/a']), fast)
    await expectWhole()
    expect(server.requests).toHaveLength(2)
  })

  it('begins again when the partial file is longer than the whole', async () => {
    server.set('/a', { body })
    await writeFile(join(folder, 'weights.bin.part'), Buffer.alloc(300_000))
    await download(target(['/a']), fast)
    await expectWhole()
  })

  it('stops at once when told to, keeps the part, and a later call goes on from it', async () => {
    server.set('/slow', { body, hangAfter: 40_000 }, { body })
    const controller = new AbortController()
    const stopped = download(target(['/slow']), {
      ...fast,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    })
    await expect(stopped).rejects.toThrow('enough')
    expect((await readdir(folder)).toSorted()).toEqual(['weights.bin.part', 'weights.bin.part.json'])
    await download(target(['/slow']), fast)
    await expectWhole()
    expect(server.requests.at(-1)!.headers.range).toMatch(/^bytes=[1-9]/)
  })

  it('says of each URL what went wrong', async () => {
    const urls = ['/a-404']
    const closed = { ...target(urls), urls: [`${server.url}/a-404`, 'http://127.0.0.1:1/b'] }
    await expect(download(closed, { ...fast, attempts: 1 })).rejects.toMatchObject({
      code: 'WEIGHTS_UNAVAILABLE',
      message: expect.stringMatching(/a-404: the server answered 404; .*127\.0\.0\.1:1\/b: /) as unknown,
    })
  })
})
