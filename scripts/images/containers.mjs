/**
 * Containers of images as the manifests ask for them: user 1000, no capabilities, a read-only root, the host's network. docker and podman run
 * them themselves; what buildah has built is run as root in namespaces of its own with util-linux, on its mounted layers.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const home = '/var/lib/layermill'

/** @param {Record<string, string>} env @param {string} flag */
const envFlags = (env, flag) => Object.entries(env).flatMap(([name, value]) => [flag, `${name}=${value}`])

/**
 * One program in a container.
 *
 * @typedef {object} Container
 * @property {() => string} output all that it has printed
 * @property {Promise<number>} ended its exit code
 * @property {(signal: 'SIGTERM' | 'SIGKILL') => void} kill a signal for the program itself
 * @property {(command: readonly string[]) => { code: number, output: string }} exec another program in the same container, to its end
 */

/** @param {import('node:child_process').ChildProcess} child */
function follow(child) {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', chunk => (text += chunk))
  const ended = once(child, 'close').then(([code, signal]) => code ?? (signal === 'SIGKILL' ? 137 : 1))
  return { output: () => text, ended }
}

/** Containers of docker or podman. */
class EngineContainers {
  /** @param {string} program */
  constructor(program) {
    this.program = program
    this.count = 0
  }

  /** @param {{ image: string, volume: string, env: Record<string, string>, command: readonly string[], entrypoint?: string }} options @returns {Container} */
  start({ image, volume, env, command, entrypoint }) {
    const name = `layermill-try-${process.pid}-${++this.count}`
    const flags = [
      '--rm',
      '--name',
      name,
      '--network',
      'host',
      '--user',
      '1000:1000',
      '--read-only',
      '--tmpfs',
      '/tmp',
      '--cap-drop',
      'ALL',
    ]
    const more = [
      '--security-opt',
      'no-new-privileges',
      '-v',
      `${volume}:${home}`,
      ...(entrypoint === undefined ? [] : ['--entrypoint', entrypoint]),
    ]
    const child = spawn(this.program, ['run', ...flags, ...more, ...envFlags(env, '-e'), image, ...command])
    return {
      ...follow(child),
      kill: signal => void spawnSync(this.program, ['kill', '--signal', signal, name]),
      exec: words => {
        const { status, stdout, stderr } = spawnSync(this.program, ['exec', name, ...words], { encoding: 'utf8' })
        return { code: status ?? 1, output: `${stdout}${stderr}` }
      },
    }
  }

  /** Bytes of an image. @param {string} image */
  size(image) {
    return Number(execFileSync(this.program, ['image', 'inspect', '--format', '{{.Size}}', image], { encoding: 'utf8' }))
  }

  close() {}
}

/** Mounts what a container sees, in namespaces of its own: $1 is the root, $2 the volume, the rest the program with its environment. */
const inNamespaces = `
root=$1 volume=$2
shift 2
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
mount --bind "$volume" "$root${home}"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
exec chroot "$root" /usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \
  /usr/bin/env -C ${home} -i "$@"
`

/** Containers of buildah's images. */
class MountedContainers {
  constructor() {
    /** @type {Map<string, { container: string, root: string, config: any }>} */
    this.mounted = new Map()
  }

  /** @param {string} image */
  mount(image) {
    const known = this.mounted.get(image)
    if (known !== undefined) return known
    const run = (...words) => execFileSync('buildah', words, { encoding: 'utf8' }).trim()
    const container = run('from', '--pull-never', image)
    const entry = { container, root: run('mount', container), config: JSON.parse(run('inspect', '--type', 'image', image)).Docker.config }
    this.mounted.set(image, entry)
    return entry
  }

  /** @param {{ image: string, volume: string, env: Record<string, string>, command: readonly string[], entrypoint?: string }} options @returns {Container} */
  start({ image, volume, env, command, entrypoint }) {
    const { root, config } = this.mount(image)
    const program = entrypoint === undefined ? config.Entrypoint : [entrypoint]
    const words = [...config.Env, ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...program, ...command]
    const child = spawn('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-ec', inNamespaces, 'sh', root, volume, ...words])
    /** Process of the program, which is the first one of its namespace. */
    const inner = () => Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')[0])
    return {
      ...follow(child),
      kill: signal => void process.kill(inner(), signal),
      exec: more => {
        const enter = [
          '--target',
          String(inner()),
          '--mount',
          '--pid',
          '--root',
          '--wd',
          'setpriv',
          '--reuid',
          '1000',
          '--regid',
          '1000',
          '--clear-groups',
        ]
        const { status, stdout, stderr } = spawnSync('nsenter', [...enter, ...more], {
          encoding: 'utf8',
          env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
        })
        return { code: status ?? 1, output: `${stdout}${stderr}` }
      },
    }
  }

  /** @param {string} image */
  size(image) {
    const images = JSON.parse(execFileSync('buildah', ['images', '--json', image], { encoding: 'utf8' }))
    const text = String(images[0].size)
    const [, number = '', unit = ''] = /^([\d.]+)\s*(\w*)$/.exec(text) ?? []
    return Number(number) * ({ kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9 }[unit] ?? 1)
  }

  close() {
    for (const { container } of this.mounted.values()) spawnSync('buildah', ['rm', container])
    this.mounted.clear()
  }
}

/** @param {string} builder @returns {EngineContainers | MountedContainers} */
export const openContainers = builder => (builder === 'buildah' ? new MountedContainers() : new EngineContainers(builder))

/** A folder that a container's user may write, as a volume is. */
export function makeVolume() {
  const folder = mkdtempSync(path.join(tmpdir(), 'layermill-volume-'))
  execFileSync('chown', ['1000:1000', folder])
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
