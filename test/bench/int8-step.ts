/** Images a second of a network in float32 and in int8, in turns, and how far they agree. Prints JSON. */
import { readdir, readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type Extractor, openEngine, type Range } from '@layermill/engines'
import type { Tensor } from '@layermill/core'
import { getNetwork } from '@layermill/models'
import { loadWeights } from '@layermill/weights'
import { prepareImage } from '@layermill/preprocess'
import { cost, median } from './measure.js'

const [model, layer, photos, batch, rounds, turns] = process.argv.slice(2) as [string, string, string, string, string, string]
const names = (await readdir(photos)).sort()
const network = getNetwork(model)
const { tensors } = await loadWeights(model, 'random:1')
const engine = await openEngine({ threads: availableParallelism() })
const options = { inputSize: network.inputSize }
const size = Number(batch)

/** A batch of prepared pictures; `first` says which. */
async function pictures(first: number): Promise<Tensor> {
  const { preparation, inputSize } = network
  const prepared = await Promise.all(
    names.slice(first, first + size).map(async name => {
      const { tensor } = await prepareImage(await readFile(join(photos, name)), preparation, {
        resample: preparation.resample,
        size: inputSize,
      })
      return tensor
    }),
  )
  const data = new Float32Array(prepared.reduce((sum, tensor) => sum + tensor.length, 0))
  prepared.forEach((tensor, i) => data.set(tensor, i * tensor.length))
  return { shape: [size, 3, ...network.inputSize], data }
}

const copy = ({ shape, data }: Tensor): Tensor => ({ shape, data: data.slice() })

async function ranges(): Promise<Map<string, Range>> {
  const calibrator = await engine.calibrator(network, tensors, [[layer]], options)
  const found = new Map<string, Range>()
  for (const first of [0, size]) {
    for (const [point, { data }] of await calibrator.run(await pictures(first))) {
      const [low, high] = found.get(point) ?? [Infinity, -Infinity]
      found.set(point, [data.reduce((a, b) => Math.min(a, b), low), data.reduce((a, b) => Math.max(a, b), high)])
    }
  }
  await calibrator.release()
  return found
}

/** Smallest cosine of two results of the same images. */
function agreement(a: Tensor, b: Tensor): number {
  const row = a.data.length / size
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  return Math.min(
    ...Array.from({ length: size }, (_, i) => {
      const [x, y] = [a.data.subarray(i * row, (i + 1) * row), b.data.subarray(i * row, (i + 1) * row)]
      return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y))
    }),
  )
}

const int8 = await engine.extractor(network, tensors, [layer], { ...options, ranges: await ranges() })
const float = await engine.extractor(network, tensors, [layer], options)
const held = await pictures(2 * size)
const cosine = agreement((await float.run(copy(held))).get(layer)!, (await int8.run(copy(held))).get(layer)!)

const times: Record<'float' | 'int8', number[]> = { float: [], int8: [] }
async function measure(name: 'float' | 'int8', extractor: Extractor): Promise<void> {
  const { seconds } = await cost(async () => {
    for (let i = 0; i < Number(rounds); i++) await extractor.run(copy(held))
  })
  times[name].push((size * Number(rounds)) / seconds)
}
for (let turn = 0; turn < Number(turns); turn++) {
  await measure('float', float)
  await measure('int8', int8)
}
await engine.close()
console.log(JSON.stringify({ float: median(times.float), int8: median(times.int8), cosine }))
