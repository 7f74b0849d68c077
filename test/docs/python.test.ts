/** The programs of docs/python.md, run as they stand, one after the other. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { blocksOf, commandsOf, DocumentFolder } from './commands.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = await readFile(join(root, 'docs/python.md'), 'utf8')
const run = promisify(execFile)
const [reading, classifying, mapping, ...more] = blocksOf(page, 'python')

const has = (module: string) =>
  run('python3', ['-c', `import ${module}`]).then(
    () => true,
    () => false,
  )

let folder: DocumentFolder
beforeAll(async () => {
  folder = await DocumentFolder.make('python', ['resnet50'])
  for (const command of commandsOf(page).filter(line => line.startsWith('npx layermill '))) await folder.run(command)
})
afterAll(() => folder?.remove())

it('has three programs for Python and one for TypeScript', () => {
  expect(more).toEqual([])
  expect(mapping).toBeDefined()
  expect(blocksOf(page, 'ts')).toHaveLength(1)
})

it('reads features, keys and labels, and maps them, where Python has NumPy', async context => {
  if (!(await has('numpy'))) return context.skip('python3 has no numpy on this machine; other tests read the files by npm packages')
  const { stdout } = await run('python3', ['-c', `${reading}\n${mapping}`], { cwd: folder.path })
  expect(stdout).toMatch(/^\(16, 2048\) float32 16 \['cats', 'dogs'\]\n16 \[/)
})

it('classifies in five lines, where Python has scikit-learn', async context => {
  if (!(await has('sklearn'))) return context.skip('python3 has no scikit-learn on this machine')
  const { stdout } = await run('python3', ['-c', `${reading}\n${classifying}`], { cwd: folder.path })
  expect(Number(stdout.trim().split('\n').at(-1))).toBeGreaterThan(0.9)
})

it('runs from TypeScript', async () => {
  // Beside the workspace's modules, so that 'layermill' is found.
  const file = join(root, '.tmp', 'python-example.mjs')
  await mkdir(join(root, '.tmp'), { recursive: true })
  await writeFile(file, blocksOf(page, 'ts')[0]!)
  const { stdout } = await run(process.execPath, [file], { cwd: folder.path, env: folder.env })
  expect(stdout).toMatch(/^\[ 1, 2048, 1, 1 \]|^\[ 1, 2048 \]/)
})
