import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isInstalled } from '../../scripts/setup/install.mjs'
import { neededVariables } from '../../scripts/setup/needed-variables.mjs'
import { gitFiles, walkedFiles, workspaceRoot } from './workspace.js'

describe('servers of the tests', () => {
  it.each([
    ['libs/models', []],
    ['libs/weights', []],
    ['test/architecture/boundaries', []],
    ['test/integration/http/api', []],
    ['test/integration/storage/s3-source', ['S3']],
    ['test/integration/jobs/postgres', ['POSTGRES']],
  ])('%s: only what it reads, itself or through what it imports', async (filter, variables) => {
    const needed = await neededVariables([filter])
    const servers = [...needed].filter(name => !/_(SEED|DEVICES|CRON)$/.test(name))
    expect(servers.map(name => name.replace(/^.*_/, '')).sort()).toEqual(variables)
  })

  it('all of them where nothing is named, or an option is among what is', async () => {
    const all = await neededVariables([])
    for (const name of ['PACKAGE', 'REDIS', 'S3', 'POSTGRES', 'CHROMIUM', 'NGINX', 'VULKAN'])
      expect(all).toContain(`LAYERMILL_TEST_${name}`)
    expect(await neededVariables(['libs/models', '-t', 'name'])).toEqual(all)
  })
})

describe('node modules', () => {
  let root = ''
  const write = async (file: string, content: unknown): Promise<void> => {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), JSON.stringify(content))
  }
  const packages = {
    'libs/core': { name: '@layermill/core', version: '0.1.0' },
    'node_modules/@layermill/core': { resolved: 'libs/core', link: true },
    'node_modules/pino': { version: '10.4.0' },
    'node_modules/of-another-platform': { version: '1.0.0', optional: true },
  }

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'layermill-installed-'))
    await write('package-lock.json', { packages: { '': {}, ...packages } })
    const { 'node_modules/of-another-platform': _absent, ...installed } = packages
    await write('node_modules/.package-lock.json', { packages: installed })
    await write('node_modules/pino/package.json', {})
    await write('libs/core/package.json', {})
    await mkdir(join(root, 'node_modules/@layermill'))
    await symlink('../../libs/core', join(root, 'node_modules/@layermill/core'))
  })
  afterEach(() => rm(root, { recursive: true }))

  it('are installed where all that the lock file names is there', async () => {
    expect(await isInstalled(root)).toBe(true)
  })

  it.each([
    ['without a record', () => rm(join(root, 'node_modules/.package-lock.json'))],
    ['without the link of a workspace', () => rm(join(root, 'node_modules/@layermill/core'))],
    ['with a link that leads nowhere', () => rm(join(root, 'libs/core'), { recursive: true })],
    [
      'with the link of a workspace that moved',
      async () => {
        await write('libs/elsewhere/package.json', {})
        await rm(join(root, 'node_modules/@layermill/core'))
        await symlink('../../libs/elsewhere', join(root, 'node_modules/@layermill/core'))
      },
    ],
    ['without a package that the record names', () => rm(join(root, 'node_modules/pino'), { recursive: true })],
    [
      'with a new workspace',
      () => write('package-lock.json', { packages: { ...packages, 'node_modules/@layermill/new': { resolved: 'libs/new', link: true } } }),
    ],
    [
      'with another version asked for',
      () => write('package-lock.json', { packages: { ...packages, 'node_modules/pino': { version: '10.5.0' } } }),
    ],
  ])('are not installed %s', async (_name, change) => {
    await change()
    expect(await isInstalled(root)).toBe(false)
  })
})

it('finds the files of the project without git as with it', context => {
  const root = workspaceRoot()
  const listed = gitFiles(root)
  if (listed === undefined) return context.skip('there is no git here, or no repository')
  // Another checkout may leave out files of its own, as a person's notes.
  const walked = walkedFiles(root)
  expect(listed.filter(file => !walked.includes(file))).toEqual([])
})
