import { createHash } from 'node:crypto'
import { type GraphNode, type Network, parameterShapes } from '@layermill/models'
import { chainerWeights } from '@layermill/weights'
import type { Engine } from '../engine.js'
import { cpuKind } from './instructions.js'

/** Channels, odd enough that kernels have a rest to see to. */
const [inner, outer] = [40, 48]
const side = 15

const conv = (name: string, input: string, outChannels: number, kernel: number): GraphNode => ({
  name,
  op: 'conv',
  inputs: [input],
  parameters: { weight: `${name}/W`, bias: `${name}/b` },
  attributes: { outChannels, kernel: [kernel, kernel], stride: [1, 1], pad: [(kernel - 1) / 2, (kernel - 1) / 2] },
})

/**
 * A network of a few thousand sums in which the kernels that round differently all have a part: convolutions, products, LRN and softmax.
 */
function probeNetwork(): Network {
  const nodes: GraphNode[] = [
    { name: 'input', op: 'input', inputs: [], attributes: { channels: 3 }, parameters: undefined },
    conv('first', 'input', inner, 7),
    { name: 'normalised', op: 'lrn', inputs: ['first'], attributes: { size: 5, alpha: 2e-5, beta: 0.75, k: 1 }, parameters: undefined },
    conv('second', 'normalised', outer, 3),
    conv('third', 'second', inner, 1),
    { name: 'flat', op: 'flatten', inputs: ['third'], attributes: {}, parameters: undefined },
    {
      name: 'scores',
      op: 'linear',
      inputs: ['flat'],
      parameters: { weight: 'scores/W', bias: 'scores/b' },
      attributes: { inFeatures: inner * side * side, outFeatures: 21 },
    },
    { name: 'shares', op: 'softmax', inputs: ['scores'], attributes: {}, parameters: undefined },
  ]
  const layers = ['first', 'normalised', 'second', 'third', 'scores', 'shares']
  return {
    id: 'numeric-probe',
    architecture: 'googlenet',
    family: 'caffe',
    variant: {},
    nodes,
    layers: new Map(layers.map(name => [name, name])),
    availableLayers: layers,
    defaultLayer: 'third',
    classifier: 'scores',
    probabilities: 'shares',
    classes: 21,
    inputSize: [side, side],
    preparation: { channels: 'bgr', divisor: 1, mean: [0, 0, 0], std: [1, 1, 1], resize: { kind: 'exact' }, resample: 'bicubic' },
  }
}

async function fingerprint(engine: Engine): Promise<string> {
  const network = probeNetwork()
  await using extractor = await engine.extractor(network, chainerWeights(parameterShapes(network)), network.availableLayers, {
    inputSize: network.inputSize,
  })
  const data = new Float32Array(3 * side * side).map((_, i) => ((i * 7919) % 509) / 4 - 63)
  const hash = createHash('sha256')
  for (const { data: values } of (await extractor.run({ shape: [1, 3, side, side], data })).values()) {
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }
  return hash.digest('hex').slice(0, 8)
}

const known = new WeakMap<Engine, Promise<string>>()

/**
 * Which of the machines whose results are the same bits an engine belongs to: the kind of CPU by its name, and eight digits of what it
 * really computes, as in `x64-avx512.5c1d09ab`. Without the second, an emulated CPU, a hypervisor that hides instructions, or a library
 * that chooses other kernels would pass for what it is not. Computed once for an engine, in some milliseconds.
 * @throws LayermillError `ENGINE_FAILED` and as the engine does
 */
export function numericClass(engine: Engine): Promise<string> {
  let found = known.get(engine)
  if (found === undefined) {
    found = Promise.all([cpuKind(), fingerprint(engine)]).then(([kind, bits]) => `${kind}.${bits}`)
    known.set(engine, found)
    found.catch(() => known.delete(engine))
  }
  return found
}

/** Whether a numeric class is the one asked for: the whole of it, or the kind of CPU alone (`x64-fma`), or its instructions (`fma`). */
export function cpuFits(wanted: string, numeric: string): boolean {
  const kind = numeric.replace(/\.[0-9a-f]{8}$/, '')
  return wanted === numeric || wanted === kind || wanted === kind.replace(/^[^-]*-/, '')
}
