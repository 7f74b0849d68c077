// A real reverse proxy for tests: Debian's nginx on a free loopback port, with its files in a temporary folder.
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { end, freePort, install, run, untilListening } from './debian.mjs'

/** The proxy's program; `stop` is there because services have one. */
export async function findNginx() {
  const find = () =>
    run('which', ['nginx'], { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } }).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    )
  let path = await find()
  if (path === undefined) {
    await install(['nginx'], 'tests behind a reverse proxy')
    path = await find()
  }
  if (path === undefined) throw new Error('nginx is not on the path')
  return { path, stop: () => Promise.resolve() }
}

function configuration(folder, port, locations) {
  return [
    'daemon off;',
    'master_process off;',
    `pid ${join(folder, 'pid')};`,
    `error_log ${join(folder, 'error.log')};`,
    'events { worker_connections 256; }',
    'http {',
    'access_log off;',
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${join(folder, name)};`),
    `server { listen 127.0.0.1:${port}; ${locations} }`,
    '}',
    '',
  ].join('\n')
}

/**
 * Starts nginx with `location` blocks of its configuration.
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
export async function startNginx(locations, program) {
  const path = program ?? (await findNginx()).path
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'layermill-nginx-'))
  const file = join(folder, 'nginx.conf')
  await writeFile(file, configuration(folder, port, locations))
  let output = ''
  const child = spawn(path, ['-p', folder, '-c', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', data => {
      output = (output + data).slice(-4000)
    })
  await untilListening(port, () => (child.exitCode === null ? undefined : `nginx ended with ${child.exitCode}: ${output}`))
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
