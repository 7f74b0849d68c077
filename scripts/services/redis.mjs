// A real Redis for tests: Debian's redis-server on a free loopback port in a temporary folder, with noeviction.
// As a program it starts the server, prints { url, port } and runs until it is interrupted.
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { asProgram, end, freePort, install, run, untilListening } from './debian.mjs'

const execute = promisify(execFile)

async function ensureInstalled() {
  const there = await run('which', ['redis-server']).then(
    () => true,
    () => false,
  )
  if (!there) await install(['redis-server'], 'tests with Redis')
}

/**
 * Options: `appendOnly` keeps the data over `restart()` (AOF, each write synced), `password`, `maxmemoryPolicy` (default noeviction).
 * `command()` asks it with redis-cli; `kill()` is kill -9; `restart()` starts it again on the same port and folder; `stop()` ends it and removes the folder.
 */
export async function startRedis({ appendOnly = false, password, maxmemoryPolicy = 'noeviction' } = {}) {
  await ensureInstalled()
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'layermill-redis-'))
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--maxmemory-policy',
    maxmemoryPolicy,
    '--appendonly',
    appendOnly ? 'yes' : 'no',
    '--appendfsync',
    'always',
    '--daemonize',
    'no',
    ...(password === undefined ? [] : ['--requirepass', password]),
  ]
  let child
  const start = async () => {
    let output = ''
    child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', data => {
        output = (output + data).slice(-4000)
      })
    const started = child
    await untilListening(port, () => (started.exitCode === null ? undefined : `redis-server ended with ${started.exitCode}: ${output}`))
  }
  await start()
  return {
    url: `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    port,
    command: async (...words) =>
      (
        await execute('redis-cli', ['-p', String(port), ...(password === undefined ? [] : ['--no-auth-warning', '-a', password]), ...words])
      ).stdout.trim(),
    kill: () => end(child, 'SIGKILL'),
    restart: async () => {
      await end(child)
      await start()
    },
    stop: async () => {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await asProgram(() => startRedis({ appendOnly: process.argv.includes('--append-only') }))
