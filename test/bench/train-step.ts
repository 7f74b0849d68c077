/** Seconds of full fine-tuning steps: gradients, mean, Adam, parameters back to the engine. Prints JSON. */
import { availableParallelism } from 'node:os'
import { openEngine } from '@layermill/engines'
import type { Tensor, TensorMap } from '@layermill/core'
import { fineTunedNetwork, getNetwork } from '@layermill/models'
import { loadWeights } from '@layermill/weights'
import { GradientSum, initialHead, Optimizer } from '@layermill/training'
import { cost } from './measure.js'

const [model, batch, rounds] = process.argv.slice(2) as [string, string, string]
const size = Number(batch)
const network = fineTunedNetwork(getNetwork(model), { layer: 'pool5', classes: 10 })
const { tensors } = await loadWeights(model, 'random:1')
const weights = new Map<string, Tensor>([...tensors, ...initialHead(network, 1)])
const engine = await openEngine({ threads: availableParallelism() })
const trainable = network.nodes.flatMap(node => {
  if (node.op === 'batchNorm') return [node.parameters.gamma, node.parameters.beta]
  return node.op === 'conv' || node.op === 'linear' ? Object.values<string>({ ...node.parameters }) : []
})
const trainer = await engine.trainer(network, weights, { trainable, dropout: false, batchSize: size })
const optimizer = new Optimizer({ kind: 'adam', alpha: 1e-5 }, new Map(trainable.map(name => [name, weights.get(name)!.shape])))
const parameters = optimizer.place(new Map(trainable.map(name => [name, weights.get(name)!])))
const images = Float32Array.from({ length: size * 3 * 224 * 224 }, (_, i) => 100 * Math.sin(i * 12.9898 + (i % 97)))
const labels = Int32Array.from({ length: size }, (_, i) => i % 10)

let recycle: TensorMap | undefined
async function step(data: Float32Array): Promise<void> {
  const part = await trainer.gradients({
    images: { shape: [size, 3, 224, 224], data },
    labels,
    ...(recycle === undefined ? {} : { recycle }),
  })
  const sum = new GradientSum()
  await sum.add(0, { ...part, samples: size })
  const { gradients, samples } = sum.total()
  await optimizer.update(parameters, gradients, { samples })
  await trainer.setParameters(parameters)
  recycle = gradients
}

// Memory settles in the first steps.
for (let i = 0; i < 6; i++) await step(images.slice())
const seconds: number[] = []
const cpuSeconds: number[] = []
for (let i = 0; i < Number(rounds); i++) {
  const data = images.slice()
  const spent = await cost(() => step(data))
  seconds.push(spent.seconds)
  cpuSeconds.push(spent.cpuSeconds)
}
await optimizer.close()
await trainer.release()
await engine.close()
console.log(JSON.stringify({ seconds, cpuSeconds }))
