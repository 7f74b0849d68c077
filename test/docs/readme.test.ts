/** Every command and program in the README, run as it stands. */
import { execFile } from 'node:child_process'
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blocksOf, commandsOf, DocumentFolder } from './commands.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = await readFile(join(root, 'README.md'), 'utf8')
const run = promisify(execFile)
const blocks = (language: string): string[] => blocksOf(readme, language)
const commands = commandsOf(readme)
const own = commands.filter(command => command.startsWith('npx layermill '))

let folder: DocumentFolder
beforeAll(async () => {
  folder = await DocumentFolder.make('readme', ['resnet50', 'googlenet'])
})
afterAll(() => folder?.remove())

describe('README', () => {
  it('has commands of the bootstrap only where these are tested themselves', async () => {
    expect(commands.filter(command => !command.startsWith('npx layermill '))).toEqual(['npm run demo', 'npm test'])
    await access(join(root, 'apps/cli/dist/demo/main.js'))
  })

  it.each(own)('%s', async command => {
    if (/^npx layermill (?:serve|worker) /.test(command)) await folder.start(command)
    else expect(await folder.run(command)).not.toBe('')
  })

  it('lists the files that a run writes', async () => {
    const listed = blocks('')
      .flatMap(block => block.split('\n'))
      .flatMap(line => /^(features\/\S+) {2,}/.exec(line)?.[1] ?? [])
    expect(listed.length).toBeGreaterThan(3)
    for (const file of listed.filter(name => !name.includes('/errors/'))) await access(join(folder.path, file))
    // Nothing failed, so nothing is in errors.
    expect(await readdir(join(folder.path, 'features'))).not.toContain('errors')
  })

  it('has a program that runs as it stands', async () => {
    const [program, ...more] = blocks('ts')
    expect(more).toEqual([])
    // Beside the workspace's modules, so that 'layermill' is found.
    const file = join(root, '.tmp', 'readme-example.mjs')
    await mkdir(join(root, '.tmp'), { recursive: true })
    await writeFile(file, program!)
    const { stdout } = await run(process.execPath, [file], { cwd: folder.path, env: folder.env })
    expect(stdout).toContain("'prob'")
    expect(stdout).toContain('[ 1, 2048 ]')
  })

  it('has a Python snippet that NumPy runs, where Python has NumPy', async context => {
    const numpy = await run('python3', ['-c', 'import numpy']).then(
      () => true,
      () => false,
    )
    if (!numpy) return context.skip('python3 has no numpy on this machine; the files are read back by npm packages in other tests')
    const { stdout } = await run('python3', ['-c', `${blocks('python')[0]}print(res4.shape, res4.dtype)`], { cwd: folder.path })
    expect(stdout.trim()).toBe('(3, 1024, 14, 14) float32')
  })
})
