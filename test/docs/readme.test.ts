/** Every command and program in the README, run as it stands. */
import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { importWeights } from '@layermill/models'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cliFile } from '../helpers/cli.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = await readFile(join(root, 'README.md'), 'utf8')
const run = promisify(execFile)

/** The code blocks of a language, in their order. */
function blocks(language: string): string[] {
  return [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].filter(match => match[1] === language).map(match => match[2]!)
}

const commands = blocks('sh')
  .flatMap(block => block.split('\n'))
  .map(line => line.replace(/\s+#.*$/, '').trim())
  .filter(line => line !== '')
const own = commands.filter(command => command.startsWith('npx layermill '))

let folder: string
let env: NodeJS.ProcessEnv

/** Photos by the names that the README uses, and weights where `imagenet` finds them, since the published ones cannot be fetched in a test. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-readme-'))
  env = { ...process.env, LAYERMILL_HOME: join(folder, 'home') }
  await mkdir(join(folder, 'photos'))
  for (const [i, name] of ['disc-01.jpg', 'stripe-01.jpg', 'stripe-02.png'].entries()) {
    const picture = sharp({ create: { width: 320, height: 240, channels: 3, background: { r: 80 * i, g: 120, b: 200 } } })
    await picture.toFile(join(folder, 'photos', name))
  }
  for (const model of ['resnet50', 'googlenet']) {
    await importWeights('random:1', model, undefined, { home: env['LAYERMILL_HOME'] })
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('README', () => {
  it('has commands of the bootstrap only where these are tested themselves', async () => {
    expect(commands.filter(command => !command.startsWith('npx layermill '))).toEqual(['npm run demo', 'npm test'])
    await access(join(root, 'apps/cli/dist/demo/main.js'))
  })

  it.each(own)('%s', async command => {
    const args = command.replace('npx layermill ', '').split(/\s+/)
    const { stdout } = await run(process.execPath, [cliFile, ...args], { cwd: folder, env })
    expect(stdout).not.toBe('')
  })

  it('lists the files that a run writes', async () => {
    const listed = blocks('').flatMap(block => block.split('\n')).flatMap(line => /^(features\/\S+) {2,}/.exec(line)?.[1] ?? [])
    expect(listed.length).toBeGreaterThan(3)
    for (const file of listed.filter(name => !name.includes('/errors/'))) await access(join(folder, file))
    // Nothing failed, so nothing is in errors.
    expect(await readdir(join(folder, 'features'))).not.toContain('errors')
  })

  it('has a program that runs as it stands', async () => {
    const [program, ...more] = blocks('ts')
    expect(more).toEqual([])
    // Beside the workspace's modules, so that 'layermill' is found.
    const file = join(root, '.tmp', 'readme-example.mjs')
    await mkdir(join(root, '.tmp'), { recursive: true })
    await writeFile(file, program!)
    const { stdout } = await run(process.execPath, [file], { cwd: folder, env })
    expect(stdout).toContain("'prob'")
    expect(stdout).toContain('[ 1, 2048 ]')
  })

  it('has a Python snippet that NumPy runs, where Python has NumPy', async context => {
    const numpy = await run('python3', ['-c', 'import numpy']).then(() => true, () => false)
    if (!numpy) return context.skip('python3 has no numpy on this machine; the files are read back by npm packages in other tests')
    const { stdout } = await run('python3', ['-c', `${blocks('python')[0]}print(res4.shape, res4.dtype)`], { cwd: folder })
    expect(stdout.trim()).toBe('(3, 1024, 14, 14) float32')
  })
})
