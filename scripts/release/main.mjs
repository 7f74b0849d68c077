import { mkdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { SetupError, root, run, step } from '../setup/terminal.mjs'
import { stage } from './stage.mjs'
import { tryPack } from './try-pack.mjs'

const usage = `npm run release -- [--dry-run] [--tag TAG]

  --dry-run   packs, installs the pack into an empty folder, tries it there, and publishes nothing
  --tag TAG   the registry's tag. Default: latest

Packs are left in .tmp/release: layermill-VERSION.tgz holds this machine's library and installs without the registry's platform packages;
registry/ holds what is published: the package without libraries, and one package for each platform.`

/** @param {string} folder a staged package @param {string} to @returns {Promise<string>} the pack */
async function pack(folder, to) {
  await mkdir(to, { recursive: true })
  const { code, stdout, stderr } = await run('npm', ['pack', folder, '--pack-destination', to, '--json', '--ignore-scripts'])
  if (code !== 0) throw new SetupError(`npm pack ${folder} failed\n${stderr}`)
  const [{ filename }] = JSON.parse(stdout)
  return path.join(to, filename.replace('@', '').replace('/', '-'))
}

/** @param {string} file */
const megabytes = async file => `${((await stat(file)).size / 1e6).toFixed(1)} MB`

/**
 * Makes the packs, tries the one for this machine, and publishes the others unless that is a rehearsal.
 * @param {readonly string[]} parameters
 * @returns {Promise<number>} exit code
 */
export async function release(parameters) {
  const known = ['--dry-run', '--tag']
  const odd = parameters.find((word, i) => !known.includes(word) && parameters[i - 1] !== '--tag')
  if (odd !== undefined) throw new SetupError(`${odd} is unknown.\n\n${usage}`)
  const dryRun = parameters.includes('--dry-run')
  const folder = path.join(root, '.tmp/release')
  await rm(folder, { recursive: true, force: true })
  const standalone = await step('Packing for this machine', async () => {
    const [staged] = await stage(path.join(folder, 'staged'), { forRegistry: false })
    return pack(staged, folder)
  })
  console.log(`${path.relative(root, standalone)}: ${await megabytes(standalone)}`)
  const registry = path.join(folder, 'registry')
  const packs = await step('Packing for the registry', async () => {
    const made = []
    // Packing the libraries of all platforms takes over a minute, and a rehearsal tries none of them.
    for (const staged of await stage(path.join(folder, 'staged-registry'), { forRegistry: true, withPlatforms: !dryRun }))
      made.push(await pack(staged, registry))
    return made
  })
  for (const file of packs) console.log(`${path.relative(root, file)}: ${await megabytes(file)}`)
  await tryPack(standalone, path.join(folder, 'installed'))
  if (dryRun) return 0
  const tag = parameters.includes('--tag') ? (parameters[parameters.indexOf('--tag') + 1] ?? 'latest') : 'latest'
  // Platforms first: the package must not be there before what it asks for.
  for (const file of packs.toReversed()) {
    const { code } = await run('npm', ['publish', file, '--access', 'public', '--tag', tag], { show: true })
    if (code !== 0) throw new SetupError(`npm publish ${file} failed; packages published before it stay: run the release again`)
  }
  return 0
}
