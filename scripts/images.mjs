/**
 * `npm run images [NAME...] [--prefix PREFIX] [-- FLAG...]`: builds the images of infra/docker with docker, podman or buildah, whichever is
 * there and answers. Without names the orchestrator and the CPU worker, with `all` those for GPUs too. FLAGs reach the builder. It needs
 * nothing of node_modules.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

/** Builders, in the order in which they are tried, and how each says that it can work. */
const builders = [
  { name: 'docker', answers: ['version', '--format', '{{.Server.Version}}'], env: { DOCKER_BUILDKIT: '1' } },
  { name: 'podman', answers: ['info'], env: {} },
  { name: 'buildah', answers: ['info'], env: {} },
]

/** Images that need no GPU to be of use. */
const usual = ['orchestrator', 'worker-cpu']

const known = readdirSync(path.join(root, 'infra/docker')).flatMap(file => (file.endsWith('.Dockerfile') ? [file.slice(0, -11)] : []))

/** Builder that answers, else the reasons why none does. */
function findBuilder() {
  /** @type {string[]} */
  const reasons = []
  for (const builder of builders) {
    const { error, status, stderr } = spawnSync(builder.name, builder.answers, { encoding: 'utf8' })
    if (status === 0) return { builder, reasons }
    reasons.push(`${builder.name}: ${error === undefined ? `does not answer: ${stderr.trim().split('\n').at(-1)}` : 'is not installed'}`)
  }
  return { builder: undefined, reasons }
}

/** @param {readonly string[]} parameters @returns {number} exit code */
function main(parameters) {
  const end = parameters.indexOf('--')
  const own = end < 0 ? [...parameters] : parameters.slice(0, end)
  const flags = end < 0 ? [] : parameters.slice(end + 1)
  const at = own.indexOf('--prefix')
  const [, prefix = ''] = at < 0 ? ['', 'localhost/layermill'] : own.splice(at, 2)
  const names = own.length === 0 ? usual : own.includes('all') ? known : own
  const unknown = names.filter(name => !known.includes(name))
  if (prefix === '' || unknown.length > 0) {
    console.error(
      prefix === ''
        ? '--prefix: expected a name, as registry.example.com/layermill'
        : `no image ${unknown.join(', ')}; there are ${known.join(', ')}, all`,
    )
    return 2
  }
  const { builder, reasons } = findBuilder()
  if (builder === undefined) {
    console.error(`No images were built (${names.join(', ')}): no program here builds them.`)
    for (const reason of reasons) console.error(`  ${reason}`)
    console.error('Install one of them: on Debian and Ubuntu, apt-get install buildah')
    return 1
  }
  const { version } = JSON.parse(readFileSync(path.join(root, 'apps/cli/package.json'), 'utf8'))
  for (const name of names) {
    const tag = `${prefix}/${name}:${version}`
    console.log(`${builder.name}: ${tag}`)
    const args = ['build', '-f', `infra/docker/${name}.Dockerfile`, '-t', tag, ...flags, '.']
    const { status } = spawnSync(builder.name, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...builder.env } })
    if (status !== 0) {
      console.error(`${builder.name} could not build ${tag}`)
      return 1
    }
  }
  return 0
}

process.exitCode = main(process.argv.slice(2))
