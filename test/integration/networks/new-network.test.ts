import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

const here = dirname(fileURLToPath(import.meta.url))
const installed = join(here, '../../../node_modules')
let folder = ''

/** Links the installed packages into a tree of their own, but for a copy of the networks, to which one file and one word are added. */
async function treeWithTiny(): Promise<string> {
  const modules = join(folder, 'node_modules')
  const packages = join(modules, '@layermill')
  await mkdir(packages, { recursive: true })
  for (const name of await readdir(installed))
    if (name !== '@layermill' && !name.startsWith('.')) await symlink(await realpath(join(installed, name)), join(modules, name))
  for (const name of await readdir(join(installed, '@layermill')))
    if (name !== 'models') await symlink(await realpath(join(installed, '@layermill', name)), join(packages, name))
  const models = await realpath(join(installed, '@layermill/models'))
  await mkdir(join(packages, 'models'))
  for (const part of ['package.json', 'dist']) await cp(join(models, part), join(packages, 'models', part), { recursive: true })
  const networks = join(packages, 'models/dist/networks')
  await cp(join(here, 'tiny.mjs'), join(networks, 'tiny.js'))
  const index = await readFile(join(networks, 'index.js'), 'utf8')
  await writeFile(join(networks, 'index.js'), `import { tiny } from './tiny.js'\n${index.replace(', googlenet]', ', googlenet, tiny]')}`)
  return modules
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-network-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('finds a network of one file and one word in lists, completion, names, preparations, weight files, specs and an engine', async () => {
  const modules = await treeWithTiny()
  const script = join(folder, 'new-network.mjs')
  await cp(join(here, 'new-network.mjs'), script)
  const args = ['--preserve-symlinks', '--preserve-symlinks-main', script, folder, join(modules, 'layermill/dist')]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, LAYERMILL_HOME: folder } })
  const found = JSON.parse(stdout) as Record<string, unknown>
  expect(found).toMatchObject({
    ids: ['tiny', 'tiny.tv'],
    definition: 'tiny',
    // 3*4*9+4, 4*8*9+8, 8*1000+1000
    parameters: 112 + 296 + 9000,
    shapes: [
      ['last', [8, 8, 8]],
      ['pool', [8]],
    ],
    foreign: 'last',
    preparations: ['chainer', 'torchvision', 'timm:a1_in1k'],
    published: [
      { network: 'tiny', published: [], unavailable: 'nobody publishes it' },
      { network: 'tiny.tv', published: [{ file: 'tiny.safetensors', licence: 'CC0', present: false }] },
    ],
    identified: 'tiny.tv',
    sameWeights: true,
    spec: ['last'],
    list: [
      { id: 'tiny', defaultLayer: 'pool', parameters: 9408 },
      { id: 'tiny.tv', family: 'torchvision' },
    ],
    extracted: { shape: [1, 8, 8, 8], isZero: false },
  })
  expect(String(found['layers'])).toContain('last')
  expect(found['models']).toEqual(expect.arrayContaining(['tiny', 'tiny.tv']))
  expect(String(found['unknown'])).toContain('did you mean tiny')
})
