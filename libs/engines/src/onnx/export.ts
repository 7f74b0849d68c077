import { concatenate, type TensorMap } from '@layermill/core'
import { type Network, resolveLayers, type Size2 } from '@layermill/models'
import { lower } from './lower/lower.js'
import { modelProto } from './proto.js'

/** An ONNX model that any runtime loads. */
export interface ExportedOnnx {
  /** One file with everything in it; up to 2 GB, as the format's own limit. */
  readonly model: Uint8Array
  /** Name of the input: prepared images [N, 3, H, W]. */
  readonly input: string
  /** Name of the output of each layer. */
  readonly outputs: ReadonlyMap<string, string>
}

export interface ExportOptions {
  /** Height and width of the images. Default: the network's. */
  readonly inputSize?: Size2
  /** Names and texts for whoever reads the model, by the name of each layer's output: its `metadata_props`. */
  readonly metadata?: (outputs: ReadonlyMap<string, string>) => Readonly<Record<string, string>>
}

/**
 * A network pruned to layers as an ONNX model, weights inside: the very graph that the ONNX engine runs on a CPU.
 * @throws LayermillError `LAYER_UNKNOWN`, `WEIGHTS_MISSING_TENSOR`, `INPUT_SIZE`
 */
export function exportOnnx(
  network: Network,
  weights: TensorMap,
  layers: readonly string[],
  { inputSize, metadata }: ExportOptions = {},
): ExportedOnnx {
  const nodes = resolveLayers(network, layers)
  const lowered = lower({ nodes: network.nodes, weights, outputs: nodes, inputSize, lrnAsProducts: true })
  const outputs = new Map(layers.map((layer, i) => [layer, lowered.outputs.get(nodes[i]!)!]))
  return { model: concatenate(modelProto(lowered.graph, new Map(), metadata?.(outputs))), input: lowered.input, outputs }
}
