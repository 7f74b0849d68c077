import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { readNpy, readRun } from '../../helpers/results.js'

const folder = testFolder('reduce')
const layers = ['conv1', 'pool1', 'conv2']

type Rows = Map<string, readonly number[]>

/** Euclidean distances between all rows, in the order of their keys. */
function distances(rows: Rows): number[] {
  const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, values]) => values)
  return sorted.flatMap((a, i) => sorted.slice(i + 1).map(b => Math.hypot(...a.map((value, j) => value - b[j]!))))
}

const fitOf = ({ identity }: Record<string, unknown>): unknown => (identity as { reductionFit?: unknown }).reductionFit

it('keeps all distances with as many components as images, in passes where temporary files have no room, and goes on with the same fit', async () => {
  const images = join(await folder(), 'images')
  await writeImages(images, 10)
  const [plain, whole, passes, again] = await Promise.all(
    ['plain', 'whole', 'passes', 'again'].map(async name => join(await folder(), name)),
  )
  const reduced = ['--layers', layers.join(','), '--pool', 'avg', '--reduce', '*=pca:9,conv2=srp:16', '--center']
  const run = async (out: string, more: readonly string[], env: Record<string, string> = {}): Promise<string> => {
    const { code, stdout, stderr } = await runCli(smallRun(images, out, ...more), { env })
    expect(code, stderr).toBe(0)
    return stdout + stderr
  }
  await run(plain!, ['--layers', layers.join(','), '--pool', 'avg'])
  await run(whole!, reduced)
  // Room for the rows of one layer: 64 channels of ten images.
  const room = { LAYERMILL_SCRATCH_BYTES: '2600' }
  expect(await run(passes!, [...reduced, '--plan'], room)).toMatch(
    /10 images in 3 passes, 2\.56 kB of temporary files\n {2}pass 1: conv1\n {2}pass 2: pool1\n/,
  )
  expect(await run(passes!, reduced, room)).toContain('pass 2 of 3: pool1')
  await run(again!, [...reduced, '--reduction', whole!])

  for (const layer of ['conv1', 'pool1']) {
    const [before, after] = [distances(await readNpy(plain!, layer)), distances(await readNpy(whole!, layer))]
    const largest = Math.max(...before)
    expect(after.length).toBe(45)
    expect(Math.max(...after.map((distance, i) => Math.abs(distance - before[i]!))) / largest, layer).toBeLessThan(1e-5)
  }
  for (const layer of layers) {
    const rows = await readNpy(whole!, layer)
    expect([...rows.values()][0]).toHaveLength(layer === 'conv2' ? 16 : 9)
    // Centred: the mean of all images is that of the sample.
    expect(Math.abs([...rows.values()].reduce((sum, [first = NaN]) => sum + first, 0))).toBeLessThan(1e-3)
    expect(await readNpy(passes!, layer), layer).toEqual(rows)
    expect(await readNpy(again!, layer), layer).toEqual(rows)
  }
  const fit = fitOf(await readRun(whole!))
  expect(fit).toMatch(/^[0-9a-f]{64}$/)
  expect(fitOf(await readRun(passes!))).toBe(fit)

  const { code, stderr } = await runCli(smallRun(images, join(await folder(), 'none'), ...reduced), {
    env: { LAYERMILL_SCRATCH_BYTES: '2000' },
  })
  expect(code).not.toBe(0)
  expect(stderr).toContain('10 rows of conv1 take')
})
