// Several real Redis servers for tests: a master with replicas and sentinels, a cluster of masters, and one with TLS of a private authority.
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { end, freePort, install, run, untilListening } from './debian.mjs'

const execute = promisify(execFile)

async function ensureInstalled() {
  const there = await run('which', ['redis-server', 'redis-cli']).then(
    () => true,
    () => false,
  )
  if (!there) await install(['redis-server', 'redis-sentinel'], 'tests with several Redis servers')
}

/** Starts one server in a folder of its own; the answer's `command` asks it with redis-cli. */
async function startServer(folder, args, port, { sentinel = false } = {}) {
  let output = ''
  const child = spawn('redis-server', sentinel ? [...args, '--sentinel'] : args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', data => {
      output = (output + data).slice(-4000)
    })
  await untilListening(port, () => (child.exitCode === null ? undefined : `redis-server ended with ${child.exitCode}: ${output}`))
  return {
    port,
    child,
    kill: () => end(child, 'SIGKILL'),
    command: async (...words) => (await execute('redis-cli', ['-p', String(port), ...words])).stdout.trim(),
  }
}

const plain = port => [
  '--port',
  String(port),
  '--bind',
  '127.0.0.1',
  '--save',
  '',
  '--appendonly',
  'no',
  '--maxmemory-policy',
  'noeviction',
  '--daemonize',
  'no',
]

async function until(condition, what, tries = 1200) {
  for (let i = 0; i < tries; i++) {
    if (await condition().catch(() => false)) return
    await pause(100)
  }
  throw new Error(`never came: ${what}`)
}

async function inFolders(count) {
  const root = await mkdtemp(join(tmpdir(), 'layermill-redis-group-'))
  const folders = Array.from({ length: count }, (_, i) => join(root, String(i)))
  await Promise.all(folders.map(folder => mkdir(folder)))
  return { root, folders }
}

/** A cluster's nodes also listen on the port 10,000 above. */
const clusterPort = () => freePort(10_000, 22_000)

/** A master and a replica. `failOver()` makes the other one the master: the old one lives on as its replica, and connections stay. */
export async function startPair() {
  await ensureInstalled()
  const { root, folders } = await inFolders(2)
  const servers = []
  for (const folder of folders) {
    const port = await freePort()
    servers.push(await startServer(folder, plain(port), port))
  }
  let master = 0
  const follow = async (replica, of) => {
    await servers[replica].command('replicaof', '127.0.0.1', String(servers[of].port))
    await until(
      async () => (await servers[replica].command('info', 'replication')).includes('master_link_status:up'),
      'a replica that follows',
    )
  }
  await follow(1, 0)
  return {
    servers,
    get master() {
      return servers[master]
    },
    failOver: async () => {
      const old = master
      master = 1 - master
      // As managed services do: the old one takes no writes from here on, the new one has all of them.
      await servers[old].command('client', 'pause', '60000', 'write')
      const offset = async server => /(?:master_repl_offset|slave_repl_offset):(\d+)/.exec(await server.command('info', 'replication'))?.[1]
      await until(async () => (await offset(servers[old])) === (await offset(servers[master])), 'the same offset')
      await servers[master].command('replicaof', 'no', 'one')
      await follow(old, master)
      await servers[old].command('client', 'unpause')
    },
    stop: async () => {
      await Promise.all(servers.map(({ child }) => end(child)))
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** A master, two replicas and three sentinels that know it as `mymaster`. `failOver()` returns once the sentinels have another master. */
export async function startSentinels({ quorum = 2 } = {}) {
  await ensureInstalled()
  const { root, folders } = await inFolders(6)
  const servers = []
  for (const [i, folder] of folders.slice(0, 3).entries()) {
    const port = await freePort()
    servers.push(
      await startServer(folder, [...plain(port), ...(i === 0 ? [] : ['--replicaof', '127.0.0.1', String(servers[0].port)])], port),
    )
  }
  const sentinels = []
  for (const folder of folders.slice(3)) {
    const port = await freePort()
    const file = join(folder, 'sentinel.conf')
    await writeFile(
      file,
      [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${folder}`,
        `sentinel monitor mymaster 127.0.0.1 ${servers[0].port} ${quorum}`,
        'sentinel down-after-milliseconds mymaster 1000',
        'sentinel failover-timeout mymaster 5000',
        'sentinel parallel-syncs mymaster 2',
        '',
      ].join('\n'),
    )
    sentinels.push(await startServer(folder, [file], port, { sentinel: true }))
  }
  const masterPort = async () => Number((await sentinels[0].command('sentinel', 'get-master-addr-by-name', 'mymaster')).split('\n')[1])
  const known = async sentinel => {
    const lines = (await sentinel.command('sentinel', 'master', 'mymaster')).split('\n')
    const value = name => lines[lines.indexOf(name) + 1]
    return value('num-other-sentinels') === '2' && value('num-slaves') === '2'
  }
  for (const sentinel of sentinels) await until(() => known(sentinel), 'sentinels that know each other')
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/mymaster`,
    servers,
    sentinels,
    master: async () => {
      const port = await masterPort()
      return servers.find(server => server.port === port)
    },
    failOver: async ({ kill = false } = {}) => {
      const before = await masterPort()
      // Replicas have all that was written until now: what a failover loses is not what is tested.
      const offset = async ({ command }) =>
        Number(/(?:master_repl_offset|slave_repl_offset):(\d+)/.exec(await command('info', 'replication'))?.[1])
      const written = await offset(servers.find(({ port }) => port === before))
      const others = servers.filter(({ port, child }) => port !== before && child.exitCode === null && child.signalCode === null)
      await until(
        async () =>
          (
            await Promise.all(
              others.map(
                async server =>
                  (await server.command('info', 'replication')).includes('master_link_status:up') && (await offset(server)) >= written,
              ),
            )
          ).every(Boolean),
        'replicas that are up to date',
      )
      if (kill) await servers.find(({ port }) => port === before).kill()
      else
        await until(
          () => sentinels[0].command('sentinel', 'failover', 'mymaster').then(answer => answer === 'OK'),
          'a failover that begins',
        )
      await until(async () => (await masterPort()) !== before, 'another master')
      // The old one takes writes until the sentinels tell it: they are lost, as all are that a master's replicas have not seen.
      if (!kill) {
        const old = servers.find(({ port }) => port === before)
        await until(async () => (await old.command('role')).startsWith('slave'), 'an old master that follows')
      }
    },
    stop: async () => {
      await Promise.all([...sentinels, ...servers].map(({ child }) => end(child)))
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** A cluster of three masters, each with a third of the slots. */
export async function startCluster() {
  await ensureInstalled()
  const { root, folders } = await inFolders(3)
  const servers = []
  for (const folder of folders) {
    const port = await clusterPort()
    servers.push(await startServer(folder, [...plain(port), '--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'], port))
  }
  await execute('redis-cli', ['--cluster', 'create', ...servers.map(({ port }) => `127.0.0.1:${port}`), '--cluster-yes'])
  for (const server of servers)
    await until(async () => (await server.command('cluster', 'info')).includes('cluster_state:ok'), 'a cluster that is whole')
  return {
    url: `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    servers,
    stop: async () => {
      await Promise.all(servers.map(({ child }) => end(child)))
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** A server that speaks TLS with a certificate of an authority of its own, whose file is `authority`. */
export async function startTlsRedis() {
  await ensureInstalled()
  const {
    root,
    folders: [folder],
  } = await inFolders(1)
  const port = await freePort()
  const openssl = (...args) => execute('openssl', args, { cwd: folder })
  await openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=Layermill test authority',
  )
  await openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost')
  await writeFile(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  await openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'names',
    '-out',
    'server.pem',
  )
  const server = await startServer(
    folder,
    [
      ...plain(0),
      '--tls-port',
      String(port),
      '--tls-cert-file',
      'server.pem',
      '--tls-key-file',
      'server.key',
      '--tls-ca-cert-file',
      'ca.pem',
      '--tls-auth-clients',
      'no',
    ],
    port,
  )
  return {
    url: `rediss://localhost:${port}`,
    authority: join(folder, 'ca.pem'),
    stop: async () => {
      await end(server.child)
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** A port that leads to another one, which may be changed: connections that are open stay where they are, as behind a name that moves. */
export async function startDoor(target) {
  let to = target
  const sockets = new Set()
  const server = net.createServer(client => {
    const upstream = net.connect(to, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream).pipe(client)
  })
  await new Promise(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `redis://127.0.0.1:${server.address().port}`,
    lead: port => {
      to = port
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => {
        server.close(resolve)
      })
    },
  }
}
