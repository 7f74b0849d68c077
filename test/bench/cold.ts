import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { benchImages } from './images.js'
import { median } from './measure.js'
import { commandUsage, megabytes, type Usage, weightsOnDisk } from './usage.js'

/** Each is measured this often, in turns, and the middle one counts. */
const turns = 5
const cases = [
  { model: 'googlenet', cpuSeconds: 1, peak: 300 },
  { model: 'resnet50', cpuSeconds: 1.5, peak: 400 },
] as const

/** `npm run bench -- cold`: one JPEG through a network whose weights are on disk, the whole process. */
export async function benchCold(): Promise<void> {
  const folder = resolve('.tmp/bench/cold')
  await mkdir(folder, { recursive: true })
  const photo = join(await benchImages(join(folder, 'images'), 1), '00000.jpg')
  const files = new Map<string, string>()
  for (const { model } of cases) files.set(model, (await weightsOnDisk(folder, model)).path)
  const found = new Map<string, Usage[]>(cases.map(({ model }) => [model, []]))
  for (let turn = 0; turn < turns; turn++) {
    for (const { model } of cases) {
      const args = ['extract', photo, '--model', model, '--weights', files.get(model)!, '--layers', 'pool5', '--out', 'out']
      found.get(model)!.push(await commandUsage(args))
    }
  }
  for (const { model, cpuSeconds, peak } of cases) {
    const used = found.get(model)!
    const cpu = median(used.map(usage => usage.cpuSeconds)).toFixed(2)
    const bytes = megabytes(median(used.map(({ peakBytes }) => peakBytes)))
    console.log(`${model.padEnd(12)}${cpu} s of CPU (target ${cpuSeconds}), ${bytes} at the peak (target ${peak} MB)`)
  }
}
