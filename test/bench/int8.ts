import { resolve } from 'node:path'
import { hasInt8Instructions } from '@layermill/engines'
import { benchImages } from './images.js'
import { inProcess } from './measure.js'

const batch = 8
const rounds = 3
/** Each precision is measured this often, in turns, and the middle one counts. */
const turns = 3
const cases = [
  { model: 'vgg16', layer: 'pool5', target: '2.0' },
  { model: 'resnet50', layer: 'pool5', target: '2.0' },
  { model: 'googlenet', layer: 'pool5', target: '' },
] as const

/** `npm run bench -- int8`: int8 against float32 on the CPU, batches of 8, ranges of 16 pictures, smallest cosine over 8 others. */
export async function benchInt8(): Promise<void> {
  if ((await hasInt8Instructions()) === false)
    console.log('this CPU has no instructions for 8-bit products: the targets are for those that have')
  console.log(`int8 and float32, batches of ${batch}, images a second; cosine at least 0.99\n`)
  console.log(
    ['model/layer', 'float32', 'int8', 'ratio', 'target', 'cosine']
      .map((name, i) => (i === 0 ? name.padEnd(18) : name.padStart(10)))
      .join(''),
  )
  const photos = await benchImages(resolve('.tmp/bench/int8'), 3 * batch)
  const numbers = [batch, rounds, turns].map(String)
  for (const { model, layer, target } of cases) {
    const { float, int8, cosine } = await inProcess<{ float: number; int8: number; cosine: number }>(
      './int8-step.js',
      model,
      layer,
      photos,
      ...numbers,
    )
    const cells = [float.toFixed(1), int8.toFixed(1), (int8 / float).toFixed(2), target, cosine.toFixed(5)]
    console.log(`${model}/${layer}`.padEnd(18) + cells.map(cell => cell.padStart(10)).join(''))
  }
}
