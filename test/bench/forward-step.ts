/** Images a second of the ONNX engine's forward pass. Prints JSON. */
import { availableParallelism } from 'node:os'
import { openEngine } from '@layermill/engines'
import { getNetwork } from '@layermill/models'
import { loadWeights } from '@layermill/weights'
import { cost } from './measure.js'

const [model, layer, batch, rounds] = process.argv.slice(2) as [string, string, string, string]
const network = getNetwork(model)
const { tensors } = await loadWeights(model, 'random:1')
const engine = await openEngine({ threads: availableParallelism() })
const extractor = await engine.extractor(network, tensors, [layer], { inputSize: network.inputSize })
const size = Number(batch)
const run = async (times: number): Promise<void> => {
  for (let i = 0; i < times; i++) {
    const data = new Float32Array(size * 3 * network.inputSize[0] * network.inputSize[1]).fill(i - 3)
    await extractor.run({ shape: [size, 3, ...network.inputSize], data })
  }
}
await run(2)
const { seconds } = await cost(() => run(Number(rounds)))
await engine.close()
console.log(JSON.stringify({ rate: (size * Number(rounds)) / seconds }))
