import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importWeights } from '@layermill/weights'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let folder = ''
let server: Server
let body: Buffer
let requests = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-processes-'))
  const path = join(folder, 'published.safetensors')
  await importWeights('random:1', 'googlenet.tv', path)
  body = await readFile(path)
  server = createServer((request, response) => {
    requests++
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const headers = { etag: '"1"', 'content-length': body.length - start }
    response.writeHead(
      start > 0 ? 206 : 200,
      start > 0 ? { ...headers, 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` } : headers,
    )
    response.end(body.subarray(start))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true, force: true })
})

const script = `
const { fetchWeights } = await import('@layermill/weights')
const [home, registry, killAt] = JSON.parse(process.argv[1])
const onProgress = ({ kind, received }) => { if (killAt !== null && kind === 'download' && received > killAt) process.kill(process.pid, 'SIGKILL') }
const { sha256 } = await fetchWeights('googlenet.tv', { home, registry, onProgress })
process.stdout.write(sha256)
`

async function fetchInProcess(home: string, killAt: number | null = null): Promise<{ code: number | null; output: string }> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/w`
  const sha256 = createHash('sha256').update(body).digest('hex')
  const file = {
    file: 'w.safetensors',
    format: 'safetensors',
    urls: [url],
    bytes: body.length,
    hashes: { sha256 },
    licence: '',
    origin: '',
  }
  const argument = JSON.stringify([home, { 'googlenet.tv': { files: [file] } }, killAt])
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, argument], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

describe('processes that fetch the same weights', () => {
  it('download once between them', async () => {
    requests = 0
    const home = join(folder, 'together')
    const all = await Promise.all([1, 2, 3].map(() => fetchInProcess(home)))
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(new Set(all.map(({ output }) => output)).size).toBe(1)
    expect(all[0]!.output).toMatch(/^[0-9a-f]{64}$/)
    expect(requests).toBe(1)
  })

  it('go on from what one that was killed had downloaded', async () => {
    requests = 0
    const home = join(folder, 'killed')
    expect((await fetchInProcess(home, 1_000_000)).code).toBeNull()
    const part = await readFile(join(home, 'weights', 'googlenet.tv', 'w.safetensors.part'))
    expect(part.length).toBeGreaterThan(0)
    const { code, output } = await fetchInProcess(home)
    expect(code).toBe(0)
    expect(output).toMatch(/^[0-9a-f]{64}$/)
    expect(requests).toBe(2)
  })
})
