/** `--batch-size auto`: found once, kept with the run and on the machine. */
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { type CliResult, runCli, smallRun } from '../../helpers/cli.js'
import { succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { fileHashes, readRun } from '../../helpers/results.js'

const folder = testFolder('batch-size')
let [source, home, out] = ['', '', '']

beforeAll(async () => {
  source = join(await folder(), 'images')
  home = join(await folder(), 'home')
  out = join(await folder(), 'out')
  await writeImages(source, 9)
})

const run = (to: string, ...more: string[]): Promise<CliResult> =>
  runCli(smallRun(source, to, '--part-size', '4', ...more), { env: { LAYERMILL_HOME: home } })
const batchSize = async (at: string): Promise<unknown> => ((await readRun(at)) as unknown as { batchSize: unknown }).batchSize
const kept = async (): Promise<{ path: string; content: { batchSize: number } }[]> =>
  Promise.all(
    (await readdir(join(home, 'batch-sizes')))
      .filter(name => name.endsWith('.json'))
      .map(async name => {
        const path = join(home, 'batch-sizes', name)
        return { path, content: JSON.parse(await readFile(path, 'utf8')) as { batchSize: number } }
      }),
  )

it('is in run.json at the end, and kept for the next run, which takes it as it is', async () => {
  succeeded(await run(out))
  const found = await batchSize(out)
  expect([1, 2, 4, 8, 16, 32]).toContain(found)
  expect(existsSync(join(out, 'batch-size.json'))).toBe(false)
  const [only, ...others] = await kept()
  expect(others).toEqual([])
  expect(only!.content).toMatchObject({
    batchSize: found,
    case: { device: 'cpu', network: 'googlenet', layers: ['conv2'], inputSize: [32, 32], precision: 'fp32' },
  })

  await writeFile(only!.path, JSON.stringify({ ...only!.content, batchSize: 3 }))
  const second = join(await folder(), 'second')
  succeeded(await run(second))
  expect(await batchSize(second)).toBe(3)
  // On the CPU a batch's size leaves the numbers as they are, bit for bit.
  expect(await fileHashes(second)).toEqual(await fileHashes(out))
  // A finished run keeps to its size, whatever is found out later.
  await writeFile(only!.path, 'damaged')
  await writeImages(join(source, 'more'), 1)
  succeeded(await run(second, '--update'))
  expect(await batchSize(second)).toBe(3)
  expect(await readFile(only!.path, 'utf8')).toBe('damaged')
})

it('is found anew where what is kept is damaged, as for --plan, and not looked for where it is given', async () => {
  const [{ stdout }, given] = [await run(join(await folder(), 'plan'), '--plan', '--json'), join(await folder(), 'given')]
  const { batchSize: planned } = JSON.parse(stdout) as { batchSize: number }
  const [file] = await kept()
  expect(file!.content.batchSize).toBe(planned)
  await writeFile(file!.path, JSON.stringify({ ...file!.content, batchSize: 5 }))
  succeeded(await run(given, '--batch-size', '7'))
  expect(await batchSize(given)).toBe(7)
  expect((await kept()).map(({ content }) => content.batchSize)).toEqual([5])
})
