import { resolve } from 'node:path'
import { benchImages } from './images.js'
import { type Cost, inProcess } from './measure.js'

const images = 512
const cases = [
  { model: 'vgg16', layer: 'fc7' },
  { model: 'resnet50', layer: 'pool5' },
  { model: 'googlenet', layer: 'pool5' },
] as const

const rate = ({ seconds }: Cost): string => `${(images / seconds).toFixed(1)}/s`
const cpu = ({ cpuSeconds }: Cost): string => `${((cpuSeconds / images) * 1000).toFixed(1)} ms`

/**
 * `npm run bench -- extract`: a run from 512 JPEG files to feature files against the bare ONNX Runtime loop on ready tensors, in CPU
 * seconds, those of decoding and preparing taken off. Each step in a process of its own, one after the other.
 */
export async function benchExtract(): Promise<void> {
  const folder = await benchImages(resolve('.tmp/bench/images'), images)
  console.log(`extraction, ${images} JPEGs of 500x375, batches of 8; target >= 0.90\n`)
  console.log(
    ['model/layer', 'bare loop', 'CPU/image', 'prepare CPU', 'run', 'CPU/image', 'ratio']
      .map((name, i) => (i === 0 ? name.padEnd(18) : name.padStart(12)))
      .join(''),
  )
  for (const { model, layer } of cases) {
    const step = (name: string): Promise<Cost> => inProcess<Cost>('./extract-step.js', name, model, layer, folder, String(images))
    const bare = await step('bare')
    const decode = await step('decode')
    const run = await step('run')
    const ratio = bare.cpuSeconds / (run.cpuSeconds - decode.cpuSeconds)
    const cells = [rate(bare), cpu(bare), cpu(decode), rate(run), cpu(run), ratio.toFixed(2)]
    console.log(`${model}/${layer}`.padEnd(18) + cells.map(cell => cell.padStart(12)).join(''))
  }
}
