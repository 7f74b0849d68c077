// A real S3 server for tests: Ceph's RADOS Gateway over one monitor and one in-memory OSD, on loopback, in a temporary folder.
// As a program it starts the server, prints its environment as JSON and runs until it is interrupted.
import { execFile, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const packages = ['ceph-mon', 'ceph-osd', 'radosgw']
const programs = ['ceph', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin']
const asRoot = process.getuid?.() === 0

/** Installs Debian's packages where a program is missing. */
async function ensureInstalled() {
  const missing = []
  for (const program of programs) await run('which', [program]).catch(() => missing.push(program))
  if (missing.length === 0) return
  const apt = async (...args) => {
    const command = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-y', ...args]
    if (!asRoot) command.unshift('sudo')
    await run(command[0], command.slice(1), { maxBuffer: 64 * 1024 * 1024 })
  }
  try {
    await apt('update')
    await apt('install', '--no-install-recommends', ...packages)
  } catch (error) {
    throw new Error(
      `the S3 tests need ${packages.join(', ')}, and installing them failed (missing: ${missing.join(', ')}): ${error.message}`,
    )
  }
}

/** Ports that are free now, all different. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve, reject) => {
          const server = createServer()
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map(server => server.address().port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

function configuration(folder, fsid, monitorPort, port) {
  const global = {
    fsid,
    mon_initial_members: 'a',
    mon_host: `v1:127.0.0.1:${monitorPort}`,
    public_addr: '127.0.0.1',
    cluster_addr: '127.0.0.1',
    ms_bind_ipv6: false,
    auth_cluster_required: 'none',
    auth_service_required: 'none',
    auth_client_required: 'none',
    keyring: join(folder, 'keyring'),
    run_dir: join(folder, 'run'),
    admin_socket: join(folder, 'run', '$name.asok'),
    log_file: join(folder, 'log', '$name.log'),
    pid_file: join(folder, 'run', '$name.pid'),
    mon_data: join(folder, 'mon'),
    osd_data: join(folder, 'osd'),
    osd_objectstore: 'memstore',
    memstore_device_bytes: 2 ** 31,
    osd_pool_default_size: 1,
    osd_pool_default_min_size: 1,
    osd_pool_default_pg_num: 8,
    osd_crush_chooseleaf_type: 0,
    mon_allow_pool_size_one: true,
    mon_warn_on_pool_no_redundancy: false,
    mon_osd_nearfull_ratio: 0.98,
    mon_osd_full_ratio: 0.99,
    mon_data_avail_crit: 1,
  }
  const gateway = { rgw_frontends: `beast endpoint=127.0.0.1:${port}`, rgw_data: join(folder, 'rgw'), rgw_thread_pool_size: 64 }
  const section = (name, options) => [`[${name}]`, ...Object.entries(options).map(([key, value]) => `${key} = ${value}`)].join('\n')
  return `${section('global', global)}\n${section('client.rgw', gateway)}\n`
}

async function answers(port) {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Asks again until it is so; fails after `seconds`, or as soon as a daemon has ended. */
async function until(what, seconds, daemons, check) {
  const deadline = Date.now() + seconds * 1000
  while (!(await check())) {
    const ended = daemons.find(daemon => daemon.exitCode !== null || daemon.signalCode !== null)
    if (ended !== undefined) throw new Error(`${ended.spawnfile} ended before ${what}`)
    if (Date.now() > deadline) throw new Error(`${what} took over ${seconds} s`)
    await sleep(100)
  }
}

async function end(daemon) {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return
  const gone = new Promise(resolve => daemon.once('exit', resolve))
  // Nothing in memory is worth flushing.
  daemon.kill('SIGKILL')
  await gone
}

/**
 * Starts a server with one user. `env` is what a client needs: endpoint, region and keys under the SDK's names.
 * @returns {Promise<{ endpoint: string, env: Record<string, string>, stop: () => Promise<void> }>}
 */
export async function startRadosgw() {
  await ensureInstalled()
  // Short, because the paths of sockets may not be longer than 107 bytes.
  const folder = await mkdtemp(join(tmpdir(), 'rgw-'))
  const daemons = []
  const killAll = () => {
    for (const daemon of daemons) daemon.kill('SIGKILL')
  }
  process.once('exit', killAll)
  const stop = async () => {
    process.off('exit', killAll)
    for (const daemon of [...daemons].reverse()) await end(daemon)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    return { ...(await bringUp(folder, daemons)), stop }
  } catch (error) {
    const log = await readFile(join(folder, 'log', 'client.rgw.log'), 'utf8').catch(() => '')
    await stop()
    throw new Error(`radosgw did not start: ${error.message}\n${log.slice(-2000)}`)
  }
}

/**
 * An OSD that reaches the monitor before it has learnt the cluster's id is refused ("wrong fsid") and ends at once; it is started again.
 */
async function startOsd(daemon, daemons, isUp) {
  for (let left = 5; ; left--) {
    const osd = daemon('ceph-osd', '-i', '0')
    try {
      return await until('the OSD was up', 60, daemons, isUp)
    } catch (error) {
      if (osd.exitCode === null || left === 0) throw error
      daemons.splice(daemons.indexOf(osd), 1)
    }
  }
}

async function bringUp(folder, daemons) {
  for (const name of ['run', 'log', 'mon', 'osd', 'rgw']) await mkdir(join(folder, name))
  const [monitorPort, port] = await freePorts(2)
  const fsid = randomUUID()
  await writeFile(join(folder, 'keyring'), '')
  await writeFile(join(folder, 'ceph.conf'), configuration(folder, fsid, monitorPort, port))
  const env = { ...process.env, CEPH_CONF: join(folder, 'ceph.conf') }
  // Daemons started by root would change to the user 'ceph', who may not write here.
  const user = asRoot ? ['--setuser', 'root', '--setgroup', 'root'] : []
  const tool = async (program, ...args) => (await run(program, args, { env, timeout: 60_000 })).stdout
  const daemon = (program, ...args) => {
    const started = spawn(program, ['-f', ...args, ...user], { env, stdio: 'ignore' })
    daemons.push(started)
    return started
  }
  const monmap = join(folder, 'monmap')
  await tool('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', `v1:127.0.0.1:${monitorPort}`, monmap)
  await tool('ceph-mon', '--mkfs', '-i', 'a', '--monmap', monmap, ...user)
  daemon('ceph-mon', '-i', 'a')
  await until('the monitor answered', 60, daemons, async () => answers(monitorPort))
  // While it starts on a busy machine, the monitor also refuses commands that it takes a moment later (EPERM).
  const ceph = async (...args) => {
    let answer
    await until(`ceph ${args.join(' ')} was answered`, 60, daemons, async () => {
      answer = await tool('ceph', ...args).catch(() => undefined)
      return answer !== undefined
    })
    return answer
  }
  const osd = randomUUID()
  await ceph('osd', 'new', osd, '0')
  await tool('ceph-osd', '--mkfs', '-i', '0', '--osd-uuid', osd, ...user)
  await ceph('osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=local')
  await startOsd(daemon, daemons, async () => (await ceph('osd', 'stat')).includes('1 up'))
  daemon('radosgw', '-n', 'client.rgw')
  await until('the gateway answered', 90, daemons, async () => answers(port))
  const keys = { access: `test${randomBytes(8).toString('hex')}`, secret: randomBytes(20).toString('hex') }
  await tool(
    'radosgw-admin',
    '-n',
    'client.rgw',
    'user',
    'create',
    '--uid=test',
    '--display-name=test',
    `--access-key=${keys.access}`,
    `--secret=${keys.secret}`,
  )
  const endpoint = `http://127.0.0.1:${port}`
  return {
    endpoint,
    env: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: keys.access,
      AWS_SECRET_ACCESS_KEY: keys.secret,
      // For users and keys of their own, which `radosgwAdmin` makes.
      LAYERMILL_RADOSGW: env.CEPH_CONF,
    },
  }
}

/**
 * Runs `radosgw-admin` on a server that `startRadosgw` started, named by its `env`.
 * @returns what it printed, read as JSON
 */
export async function radosgwAdmin(environment, ...args) {
  const env = { ...process.env, CEPH_CONF: environment.LAYERMILL_RADOSGW }
  return JSON.parse((await run('radosgw-admin', ['-n', 'client.rgw', ...args], { env, timeout: 60_000 })).stdout || 'null')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await startRadosgw()
  console.log(JSON.stringify(server.env))
  const finish = () => {
    void server.stop().then(() => process.exit(0))
  }
  process.once('SIGINT', finish)
  process.once('SIGTERM', finish)
}
