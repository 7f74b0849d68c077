// A real PostgreSQL for tests: Debian's server on a free loopback port in a temporary folder, without a password.
// As a program it starts the server, prints { url, port } and runs until it is interrupted.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { asProgram, asRoot, end, freePort, install, run, untilListening } from './debian.mjs'

/** The newest installed server's programs: /usr/lib/postgresql/NN/bin. */
function binaries() {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).filter(name => existsSync(join(root, name, 'bin', 'initdb'))) : []
  const newest = versions.toSorted((a, b) => Number(b) - Number(a))[0]
  return newest === undefined ? undefined : join(root, newest, 'bin')
}

/** Root may not run the server: Debian's package makes the user postgres; where it did not, nobody will do. */
async function account() {
  if (!asRoot) return {}
  const id = async flag => Number((await run('id', [flag, 'postgres']).catch(() => run('id', [flag, 'nobody']))).stdout)
  return { uid: await id('-u'), gid: await id('-g') }
}

/** `stop()` ends the server and removes its folder; `kill()` is kill -9; `restart()` starts it again with its data. */
export async function startPostgres() {
  if (binaries() === undefined) await install(['postgresql'], 'tests with PostgreSQL')
  const bin = binaries()
  if (bin === undefined) throw new Error('tests with PostgreSQL need /usr/lib/postgresql/*/bin/initdb')
  const user = await account()
  const folder = await mkdtemp(join(tmpdir(), 'layermill-postgres-'))
  if (user.uid !== undefined) await chown(folder, user.uid, user.gid)
  await chmod(folder, 0o700)
  const environment = { PATH: process.env.PATH, LC_ALL: 'C', HOME: folder }
  const data = join(folder, 'data')
  await run(join(bin, 'initdb'), ['-D', data, '-U', 'layermill', '--auth=trust', '--encoding=UTF8', '--no-sync'], {
    ...user,
    env: environment,
    cwd: folder,
  })
  const port = await freePort()
  const args = ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-k', folder, '-c', 'fsync=off']
  let child
  const start = async () => {
    let output = ''
    child = spawn(join(bin, 'postgres'), args, { ...user, env: environment, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.on('data', text => {
      output = (output + text).slice(-4000)
    })
    const started = child
    await untilListening(port, () => (started.exitCode === null ? undefined : `postgres ended with ${started.exitCode}: ${output}`))
  }
  await start()
  return {
    url: `postgres://layermill@127.0.0.1:${port}/postgres`,
    port,
    kill: () => end(child, 'SIGKILL'),
    restart: async () => {
      await end(child, 'SIGINT')
      await start()
    },
    stop: async () => {
      // SIGINT: connections are cut, nobody is waited for.
      await end(child, 'SIGINT')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await asProgram(startPostgres)
