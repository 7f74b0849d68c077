import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { benchImages } from './images.js'
import { hasPytorch, python, pytorch } from './pytorch.js'
import { commandUsage, megabytes, type Usage, weightsOnDisk } from './usage.js'

const cases = [
  { model: 'googlenet', name: '500x375', width: 500, height: 375, images: 600, ratio: 1.35, peak: 250 },
  { model: 'resnet50', name: '500x375', width: 500, height: 375, images: 600, ratio: 1.45, peak: 250 },
  { model: 'googlenet', name: '12 megapixels', width: 4000, height: 3000, images: 40, ratio: undefined, peak: 400 },
] as const

const line = (cells: readonly string[]): string => cells.map((cell, i) => (i < 2 ? cell.padEnd(16) : cell.padStart(16))).join('')

/**
 * `npm run bench -- photographs`: whole runs over JPEG files, with the weights on disk, by CPU seconds and by the memory above the weights;
 * beside them the pipeline that people write in PyTorch (channels-last, a DataLoader with two workers), its workers' CPU included.
 */
export async function benchPhotographs(): Promise<void> {
  const theirs = await hasPytorch()
  if (!theirs) console.log(`without PyTorch's pipeline: ${python} has no torch (set LAYERMILL_BENCH_PYTHON to a Python that has)`)
  const folder = resolve('.tmp/bench/photographs')
  await mkdir(folder, { recursive: true })
  console.log(line(['model', 'pictures', 'CPU', 'wall', 'above weights', 'target', 'PyTorch CPU', 'ratio', 'target']))
  for (const { model, name, width, height, images, ratio, peak } of cases) {
    const photos = await benchImages(join(folder, `${width}x${height}-${images}`), images, width, height)
    const weights = await weightsOnDisk(folder, model)
    const extract = (source: string): Promise<Usage> =>
      commandUsage(['extract', source, '--model', model, '--weights', weights.path, '--layers', 'pool5', '--out', 'out'])
    // The size of batches is searched for once on a machine, not once a run.
    await extract(join(photos, '00000.jpg'))
    const ours = await extract(photos)
    const other = theirs ? await pytorch<Usage>('pytorch_pipeline.py', model, photos) : undefined
    console.log(
      line([
        model,
        name,
        `${ours.cpuSeconds.toFixed(1)} s`,
        `${ours.seconds.toFixed(1)} s`,
        megabytes(ours.peakBytes - weights.bytes),
        `${peak} MB`,
        other === undefined ? '' : `${other.cpuSeconds.toFixed(1)} s`,
        other === undefined ? '' : (other.cpuSeconds / ours.cpuSeconds).toFixed(2),
        String(ratio ?? ''),
      ]),
    )
  }
}
