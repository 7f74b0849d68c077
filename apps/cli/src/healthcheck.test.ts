import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

const script = fileURLToPath(new URL('../bin/healthcheck.js', import.meta.url))
let folder: string
let well: Server
let ill: Server
let closedPort: number

async function listening(status: number): Promise<Server> {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/healthz' ? status : 404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermill-health-'))
  well = await listening(200)
  ill = await listening(503)
  const closed = await listening(200)
  closedPort = portOf(closed)
  closed.close()
  await once(closed, 'close')
})

afterAll(async () => {
  well.close()
  ill.close()
  await rm(folder, { recursive: true, force: true })
})

/** Exit code of the check for a process with this command line, as the kernel shows it. */
async function codeOf(words: readonly string[]): Promise<number> {
  const file = path.join(folder, words.join(' ').replaceAll(/\W/g, '_'))
  await writeFile(file, ['node', '/app/apps/cli/bin/layermill.js', ...words, ''].join('\0'))
  const [code] = (await once(spawn(process.execPath, [script, file], { stdio: 'ignore' }), 'close')) as [number]
  return code
}

it('asks the port that the process was told to listen on', async () => {
  const good = String(portOf(well))
  expect(await codeOf(['serve', '--host', '0.0.0.0', '--port', good])).toBe(0)
  expect(await codeOf(['serve', `--port=${good}`, '--host=127.0.0.1'])).toBe(0)
  expect(await codeOf(['worker', '--health-port', good, '--host', '0.0.0.0'])).toBe(0)
})

it('fails where the process answers that it is ill, or not at all', async () => {
  expect(await codeOf(['serve', '--port', String(portOf(ill))])).toBe(1)
  expect(await codeOf(['serve', '--port', String(closedPort)])).toBe(1)
  expect(await codeOf(['worker', '--health-port', String(closedPort)])).toBe(1)
})

it('takes a worker without a known port for well, since it is alive', async () => {
  expect(await codeOf(['worker', '--device', 'cpu'])).toBe(0)
  expect(await codeOf(['worker', '--health-port', '0'])).toBe(0)
})

it('asks one port for each GPU', async () => {
  // The next port is somebody else's or nobody's, and never says that it is well.
  expect(await codeOf(['worker', '--devices', '3', '--health-port', String(portOf(well))])).toBe(0)
  expect(await codeOf(['worker', '--devices', '0,1', '--health-port', String(portOf(ill))])).toBe(1)
})
