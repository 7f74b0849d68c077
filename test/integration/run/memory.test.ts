import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { smallRun, startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { manyImages, peakMemory } from '../../helpers/memory.js'
import { readRun } from '../../helpers/results.js'

const folder = testFolder('memory')

// Memory kept for each image shows every time; how late the collector and the allocators give memory back differs from run to run.
it(
  'the memory of a run does not grow with the number of images (`npm run bench -- memory` has ten times as many)',
  { retry: 2 },
  async () => {
    const peaks: number[] = []
    for (const count of [200, 2000]) {
      const place = await mkdtemp(join(await folder(), `${count}-`))
      const [photos, out] = [join(place, 'photos'), join(place, 'out')]
      await manyImages(photos, count)
      const { result, bytes } = await peakMemory(startCli(smallRun(photos, out, '--pool', 'avg', '--part-size', '100')))
      expect(result.code, result.stderr).toBe(0)
      expect((await readRun(out)).counts.done).toBe(count)
      peaks.push(bytes / 2 ** 20)
    }
    const [few = 0, many = 0] = peaks
    expect(few).toBeGreaterThan(50)
    // Inputs alone of 1,800 images would be 22 MB, decoded pictures, keys and results as much again: what is left is the allocators' slack.
    expect(many - few, `${few.toFixed(0)} and ${many.toFixed(0)} MiB`).toBeLessThan(64)
  },
)
