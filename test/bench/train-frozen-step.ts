/** Seconds of a fine-tuning run on a frozen base, from a started process to the model. Prints JSON. */
import { train } from '../integration/train/embedded.js'
import { cost } from './measure.js'

const [source, out, epochs, path] = process.argv.slice(2) as [string, string, string, string]
const spec = {
  source,
  out,
  model: 'resnet50',
  weights: 'random:1',
  layer: 'pool5',
  size: { width: 224, height: 224 },
  base: 'frozen',
  epochs: Number(epochs),
  batchSize: 8,
  microBatch: 8,
  validation: 0,
  overwrite: true,
}
const { seconds } = await cost(async () => {
  await train(spec, { generalPath: path === 'general' })
})
console.log(JSON.stringify({ seconds }))
