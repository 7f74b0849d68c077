import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { exportOnnx } from '@layermill/engines'
import { getNetwork } from '@layermill/models'
import { loadWeights } from '@layermill/weights'
import { benchImages } from './images.js'
import { type Cost, inProcess } from './measure.js'
import { hasOnnxRuntime, python, pytorch } from './pytorch.js'
import { commandUsage, megabytes, type Usage } from './usage.js'

const images = 384
const cases = [
  { model: 'googlenet', layer: 'pool5' },
  { model: 'resnet50', layer: 'pool5' },
] as const

/** Bytes of a file of names and small numbers beside 350 MB of weights, and seconds in which it is to be listed. */
const large = { model: 'vgg16', layer: 'fc6', seconds: 1 }

/** A network with random weights as an ONNX file. */
async function file(folder: string, model: string, layer: string): Promise<string> {
  const path = join(folder, `${model}.onnx`)
  if ((await stat(path).catch(() => undefined)) !== undefined) return path
  const { tensors } = await loadWeights(model, 'random:1')
  await writeFile(path, exportOnnx(getNetwork(model), tensors, [layer]).model)
  return path
}

const line = (cells: readonly string[]): string => cells.map((cell, i) => (i === 0 ? cell.padEnd(12) : cell.padStart(15))).join('')
const seconds = (value: number): string => `${value.toFixed(1)} s`

/**
 * `npm run bench -- onnx`: runs on ONNX files from JPEG to features beside the same file in onnxruntime for Python with Pillow and numpy,
 * whole processes; over the bare session, in CPU seconds without those of preparing; and the time in which a large file is listed.
 */
export async function benchOnnx(): Promise<void> {
  const theirs = await hasOnnxRuntime()
  if (!theirs) console.log(`without Python's runtime: ${python} has no onnxruntime (set LAYERMILL_BENCH_PYTHON to a Python that has)`)
  const folder = resolve('.tmp/bench/onnx')
  await mkdir(folder, { recursive: true })
  const photos = await benchImages(resolve('.tmp/bench/onnx-images'), images)
  console.log(`${images} JPEGs of 500x375, batches of 8; targets: ratio >= 1.15, overhead <= 5 %, memory <= 1.5 weights + batch\n`)
  console.log(line(['file', 'wall', 'Python wall', 'ratio', 'CPU', 'Python CPU', 'ratio', 'overhead', 'peak', 'Python peak', 'weights']))
  for (const { model, layer } of cases) {
    const path = await file(folder, model, layer)
    const flags = ['--model', path, '--prepare', 'torchvision', '--layers', layer, '--batch-size', '8', '--out', 'out']
    const ours = await commandUsage(['extract', photos, ...flags])
    const other = theirs ? await pytorch<Usage>('onnx_pipeline.py', path, photos) : undefined
    const step = (name: string): Promise<Cost> => inProcess<Cost>('./extract-step.js', name, path, layer, photos, String(images))
    const [bare, decode, run] = [await step('bare'), await step('decode'), await step('run')]
    const overhead = (run.cpuSeconds - decode.cpuSeconds) / bare.cpuSeconds - 1
    console.log(
      line([
        model,
        seconds(ours.seconds),
        other === undefined ? '' : seconds(other.seconds),
        other === undefined ? '' : (other.seconds / ours.seconds).toFixed(2),
        seconds(ours.cpuSeconds),
        other === undefined ? '' : seconds(other.cpuSeconds),
        other === undefined ? '' : (other.cpuSeconds / ours.cpuSeconds).toFixed(2),
        `${(overhead * 100).toFixed(1)} %`,
        megabytes(ours.peakBytes),
        other === undefined ? '' : megabytes(other.peakBytes),
        megabytes((await stat(path)).size),
      ]),
    )
  }
  const listed = await file(folder, large.model, large.layer)
  const usage = await commandUsage(['models', listed])
  console.log(
    `\n\`models FILE\` of ${megabytes((await stat(listed)).size)}: ${usage.seconds.toFixed(2)} s, ${megabytes(usage.peakBytes)} at the peak; target < ${large.seconds} s`,
  )
}
