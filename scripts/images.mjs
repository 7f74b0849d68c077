/**
 * `npm run images [NAME...] [--prefix PREFIX] [-- FLAG...]`: builds the images of infra/docker with docker, podman or buildah, whichever is
 * there and answers, and tries a fleet of them over Redis and an S3 server, which it starts here. Without names the orchestrator and the CPU
 * worker, with `all` those for GPUs too. FLAGs reach the builder.
 *
 *   --build-only   builds without the trial, which needs root (for buildah) and Debian's redis-server, ceph-mon, ceph-osd and radosgw
 *   --try-only     tries images that are built
 *   --local-base   on base images that are made here by debootstrap, where no registry of images is reached (buildah, root)
 *   --pin          asks the registry for the digests of the base images, and records them in infra/docker/bases.json
 *
 * It needs nothing of node_modules.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { pins, recordDigests } from './images/bases.mjs'
import { findBuilder } from './images/builders.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

/** Images that need no GPU to be of use. */
const usual = ['orchestrator', 'worker-cpu']

const known = readdirSync(path.join(root, 'infra/docker')).flatMap(file => (file.endsWith('.Dockerfile') ? [file.slice(0, -11)] : []))

const switches = ['--build-only', '--try-only', '--local-base', '--pin']

/** @param {readonly string[]} parameters */
function parse(parameters) {
  const end = parameters.indexOf('--')
  const own = end < 0 ? [...parameters] : parameters.slice(0, end)
  const flags = end < 0 ? [] : parameters.slice(end + 1)
  const at = own.indexOf('--prefix')
  const [, prefix = ''] = at < 0 ? ['', 'localhost/layermill'] : own.splice(at, 2)
  const on = new Set(own.filter(word => switches.includes(word)))
  const words = own.filter(word => !switches.includes(word))
  const names = words.length === 0 ? usual : words.includes('all') ? known : words
  return { names, prefix, flags, on, unknown: names.filter(name => !known.includes(name)) }
}

/** Architecture by Docker's name, which buildah does not give to a build by itself. */
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch

/** @param {readonly string[]} parameters @returns {Promise<number>} exit code */
async function main(parameters) {
  const { names, prefix, flags, on, unknown } = parse(parameters)
  if (prefix === '' || unknown.length > 0) {
    console.error(
      prefix === ''
        ? '--prefix: expected a name, as registry.example.com/layermill'
        : `no image ${unknown.join(', ')}; there are ${known.join(', ')}, all`,
    )
    return 2
  }
  const { builder, reasons } = findBuilder(on.has('--local-base') ? ['buildah'] : undefined)
  if (builder === undefined) {
    console.error(`No images were built (${names.join(', ')}): no program here builds them.`)
    for (const reason of reasons) console.error(`  ${reason}`)
    console.error('Install one of them: on Debian and Ubuntu, apt-get install buildah')
    return 1
  }
  if (on.has('--pin')) {
    const failure = recordDigests(root, names, builder)
    if (failure !== undefined) console.error(failure)
    return failure === undefined ? 0 : 1
  }
  const { version } = JSON.parse(readFileSync(path.join(root, 'apps/cli/package.json'), 'utf8'))
  const tagOf = name => `${prefix}/${name}:${version}`
  const { localBase } = await import('./images/local-base.mjs')
  const base = on.has('--local-base') && !on.has('--try-only') ? localBase() : []
  for (const name of on.has('--try-only') ? [] : names) {
    const tag = tagOf(name)
    const pinned = base.length > 0 ? { flags: base, loose: [] } : pins(root, name)
    for (const image of pinned.loose) console.log(`${image} is named by its tag alone: npm run images -- --pin records its digest`)
    console.log(`${builder.name}: ${tag}`)
    // docker tells a build its architecture itself.
    const target = builder.name === 'docker' ? [] : ['--build-arg', `TARGETARCH=${architecture}`]
    const args = ['build', '-f', `infra/docker/${name}.Dockerfile`, '-t', tag, ...builder.flags, ...target, ...pinned.flags, ...flags, '.']
    const { status } = spawnSync(builder.name, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...builder.env } })
    if (status !== 0) {
      console.error(`${builder.name} could not build ${tag}`)
      return 1
    }
  }
  if (on.has('--build-only')) return 0
  if (!usual.every(name => names.includes(name))) {
    console.log(`no fleet was tried: it takes ${usual.join(' and ')}`)
    return 0
  }
  if (builder.name === 'buildah' && process.getuid?.() !== 0) {
    console.log('no fleet was tried: images of buildah are mounted and run by root only; docker and podman run them for any user')
    return 0
  }
  const { tryFleet } = await import('./images/fleet.mjs')
  try {
    await tryFleet(builder.name, { orchestrator: tagOf('orchestrator'), worker: tagOf('worker-cpu') })
    return 0
  } catch (error) {
    console.error(error.message)
    return 1
  }
}

process.exitCode = await main(process.argv.slice(2))
