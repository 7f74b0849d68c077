/**
 * Base images made on this machine, where no registry of images can be reached: a minimal Debian by debootstrap, and the same with the
 * Node.js program of an npm package. Needs buildah, debootstrap and root.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const debianTag = 'localhost/layermill/base-debian:bookworm'
const nodeTag = 'localhost/layermill/base-node:24'

/** @param {string} program @param {readonly string[]} parameters */
const run = (program, parameters, options = {}) =>
  execFileSync(program, parameters, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', ...options }).trim()

/** @param {string} tag */
const isThere = tag => spawnSync('buildah', ['inspect', '--type', 'image', tag], { stdio: 'ignore' }).status === 0

/** A folder becomes an image, on top of another or of nothing. @param {string} from @param {string} folder @param {string} tag @param {readonly string[]} [config] */
function commit(from, folder, tag, config = []) {
  const container = run('buildah', ['from', '--pull-never', from])
  run('buildah', ['add', '-q', container, folder, '/'])
  if (config.length > 0) run('buildah', ['config', ...config, container])
  run('buildah', ['commit', '-q', '--rm', container, tag])
}

/** @param {string} folder */
function makeDebian(folder) {
  const root = path.join(folder, 'debian')
  run('debootstrap', ['--variant=minbase', '--include=libstdc++6', 'bookworm', root], { stdio: ['ignore', 'ignore', 'inherit'] })
  // As in Debian's slim images: licences stay, manuals and translations do not.
  const spare = ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/man', 'usr/share/locale', 'var/log']
  for (const one of spare) {
    rmSync(path.join(root, one), { recursive: true, force: true })
    mkdirSync(path.join(root, one), { recursive: true })
  }
  run('find', [path.join(root, 'usr/share/doc'), '(', '-type', 'f', '!', '-name', 'copyright', '-o', '-type', 'l', ')', '-delete'])
  commit('scratch', root, debianTag)
}

/** Certificates that this machine trusts, which a registry behind a proxy of its own may need. */
const certificates = '/etc/ssl/certs/ca-certificates.crt'

/** @param {string} folder */
function makeNode(folder) {
  const packages = path.join(folder, 'packages')
  const wanted = `node-release@npm:node-${process.platform}-${process.arch}@24`
  mkdirSync(packages, { recursive: true })
  run('npm', ['install', '--prefix', packages, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', wanted])
  const release = path.join(packages, 'node_modules/node-release')
  const local = path.join(folder, 'node/usr/local')
  for (const one of ['bin', 'share/doc/node', 'lib/node_modules']) mkdirSync(path.join(local, one), { recursive: true })
  cpSync(path.join(release, 'bin/node'), path.join(local, 'bin/node'))
  cpSync(path.join(release, 'LICENSE'), path.join(local, 'share/doc/node/LICENSE'))
  // npm of this machine, wherever it is.
  const npm = path.resolve(realpathSync(run('which', ['npm'])), '../..')
  cpSync(npm, path.join(local, 'lib/node_modules/npm'), { recursive: true, dereference: true })
  for (const name of ['npm', 'npx']) symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, path.join(local, 'bin', name))
  /** @type {string[]} */
  const config = []
  if (existsSync(certificates)) {
    mkdirSync(path.join(folder, 'node', path.dirname(certificates)), { recursive: true })
    cpSync(certificates, path.join(folder, 'node', certificates), { dereference: true })
    config.push('--env', `NODE_EXTRA_CA_CERTS=${certificates}`)
  }
  commit(debianTag, path.join(folder, 'node'), nodeTag, config)
}

/** Programs that are missing for it, by the Debian packages that bring them. */
export function missingForLocalBase() {
  const isOnPath = program => spawnSync('which', [program], { stdio: 'ignore' }).status === 0 || existsSync(`/usr/sbin/${program}`)
  return ['buildah', 'debootstrap'].filter(program => !isOnPath(program))
}

/**
 * Makes the images that are not there yet.
 * @returns {string[]} flags for the builder
 */
export function localBase() {
  const folder = mkdtempSync(path.join(tmpdir(), 'layermill-base-'))
  try {
    if (!isThere(debianTag)) makeDebian(folder)
    if (!isThere(nodeTag)) makeNode(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return ['--isolation', 'chroot', '--build-arg', `NODE_IMAGE=${nodeTag}`, '--build-arg', `RUN_IMAGE=${debianTag}`]
}
