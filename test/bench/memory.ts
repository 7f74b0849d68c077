import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { smallRun, startCli } from '../helpers/cli.js'
import { manyImages, peakMemory } from '../helpers/memory.js'

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`

/**
 * `npm run bench -- memory`: the most memory that an extraction of small pictures takes, by the number of pictures. Ten times as many must
 * not take more but for what the allocators keep.
 */
export async function benchMemory(): Promise<void> {
  const folder = resolve('.tmp/bench/memory')
  const peaks: number[] = []
  for (const count of [2000, 20_000]) {
    await rm(folder, { recursive: true, force: true })
    await manyImages(`${folder}/images`, count)
    const { result, bytes } = await peakMemory(startCli(smallRun(`${folder}/images`, `${folder}/out`, '--pool', 'avg')))
    if (result.code !== 0) throw new Error(`extraction of ${count} pictures ended with ${result.code}: ${result.stderr}`)
    console.log(`${String(count).padStart(7)} images: ${megabytes(bytes)} at the peak`)
    peaks.push(bytes)
  }
  await rm(folder, { recursive: true, force: true })
  const [small = 0, large = 0] = peaks
  console.log(`difference ${megabytes(large - small)}; target < 64 MiB for 18,000 images more`)
}
