import { LayermillError, Random, type Tensor } from '@layermill/core'
import { oneLayer, type Size2 } from '@layermill/models'
import { float16, type OnnxNetwork, uint8 } from '@layermill/onnx'
import type { Engine } from '../engine.js'
import { float16Tolerance, type SelfCheck, selfCheckTolerance } from './self-check.js'

/** One image of random numbers of a fixed seed, as the file's input takes them. */
function noise({ graph: { model } }: OnnxNetwork, [height, width]: Size2): Tensor {
  const random = new Random('self-check of a file')
  const isLevels = model.image.type === uint8
  const data = Float32Array.from({ length: 3 * height * width }, () => random.below(256))
  return { shape: [1, 3, height, width], data: isLevels ? data : data.map(value => (value - 127.5) / 64) }
}

/** The graph's own outputs: with them nothing that they need is cut away. */
function graphOutputs({ graph: { model } }: OnnxNetwork): string[] {
  return model.graph.outputs.flatMap(({ name }) => (model.names.isValue(name) && model.otherInputs(name).length === 0 ? [name] : []))
}

/**
 * Holds a file against itself on this engine: layers of the graph that is cut behind them against the same layers of the whole graph, on
 * an image of random numbers. Whoever wrote the file stored no values, so graph, engine and device are what is checked, not the weights.
 *
 * @param layers as a run asks for them
 * @throws LayermillError `SELF_CHECK` where a layer drifts by more than 1e-3 of its largest value, 1e-2 where the file computes in float16
 */
export async function selfCheckFile(engine: Engine, network: OnnxNetwork, layers: readonly string[], size: Size2): Promise<SelfCheck> {
  const { model } = network.graph
  const halves = [...model.graph.initializers.values()].some(({ type }) => type === float16)
  const tolerance = halves ? float16Tolerance : selfCheckTolerance
  const image = noise(network, size)
  const compute = async (names: readonly string[]): Promise<ReadonlyMap<string, Tensor>> => {
    await using extractor = await engine.extractor(network, new Map(), names, { inputSize: size })
    return await extractor.run({ shape: image.shape, data: image.data.slice() })
  }
  const cut = await compute(layers)
  const whole = await compute([...new Set([...layers, ...graphOutputs(network)])])
  let worst: SelfCheck = { layer: layers[0] ?? '', maxAbs: 0, cosine: 1 }
  for (const [layer, { data }] of cut) {
    const found = difference(layer, data, whole.get(layer)!.data)
    if (found.maxAbs >= worst.maxAbs) worst = found
  }
  if (worst.maxAbs <= tolerance) return worst
  throw new LayermillError(
    'SELF_CHECK',
    `${model.path} on ${engine.name}/${engine.device}: ${oneLayer(network, worst.layer).name} of the graph that is cut behind it differs from that of the whole graph by ${worst.maxAbs.toExponential(1)} of its largest value (cosine ${worst.cosine.toFixed(6)}), more than ${tolerance}`,
    { hint: 'the runtime computes the file differently by what is asked of it: use another --device, or leave out --self-check' },
  )
}

function difference(layer: string, found: Float32Array, expected: Float32Array): SelfCheck {
  let [largest, off, dot, foundNorm, expectedNorm] = [0, 0, 0, 0, 0]
  for (const [i, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(value))
    off = Math.max(off, Math.abs(value - found[i]!))
    dot += value * found[i]!
    foundNorm += found[i]! ** 2
    expectedNorm += value ** 2
  }
  const norms = Math.sqrt(foundNorm * expectedNorm)
  return { layer, maxAbs: off === 0 ? 0 : off / (largest === 0 ? 1 : largest), cosine: norms === 0 ? 1 : dot / norms }
}
