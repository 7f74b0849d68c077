import { LayermillError, type TensorMap } from '@layermill/core'
import type { FineTunedNetwork } from '@layermill/models'
import { type CutOptions, float16 } from '@layermill/onnx'
import { initializerProto, nodeProto, valueInfoProto } from '../proto.js'
import { headBase, headGraph, headParameters, isHalf } from './head-graph.js'
import type { ExportedOnnx, ExportOptions } from '../export.js'

/** Bytes of a model above which the format's readers take no single file. */
export const mostGraphBytes = 2 ** 31 - 2 ** 20

/**
 * A fine-tuned network on an ONNX file as an ONNX file of its own: the graph cut behind the layer that the head is on, with what was
 * trained, and the head. Everything else of the graph stays as it was read.
 * @throws LayermillError `HEAD_INVALID` where the network is on no file, or the file would be larger than the format allows
 */
export async function exportGraph(
  network: FineTunedNetwork,
  tensors: TensorMap,
  { inputSize = network.inputSize, metadata }: ExportOptions = {},
): Promise<ExportedOnnx> {
  const base = headBase(network)
  if (base === undefined) throw new LayermillError('HEAD_INVALID', `${network.id} is not on an ONNX file`)
  const { model } = base
  const options: CutOptions = { values: [base.layer.value], batch: 'fixed' }
  const replaced = new Map<string, Float32Array>()
  for (const [name, { data }] of tensors) if (model.graph.initializers.has(name)) replaced.set(name, data)
  // Trained tensors are of float32, and so is then all that they are computed with.
  const float32 = [...replaced.keys()].some(name => model.graph.initializers.get(name)!.type === float16)
  if (float32) for (const [name, { data }] of await model.halves(options)) if (!replaced.has(name)) replaced.set(name, data)
  const contents = await model.contents(options, new Set(replaced.keys()))
  const bytes = [...contents.values(), ...[...tensors.values()].map(({ data }) => data)].reduce(
    (sum, { byteLength }) => sum + byteLength,
    0,
  )
  if (bytes > mostGraphBytes) {
    throw new LayermillError(
      'HEAD_INVALID',
      `${network.id} has ${bytes} bytes of weights, and a single ONNX file holds at most ${mostGraphBytes}`,
    )
  }
  const head = headGraph(network, {
    base,
    size: inputSize,
    opset: model.opset,
    halves: !float32 && isHalf(base, inputSize),
    dropout: false,
    end: network.probabilities,
  })
  const layers = [network.classifier, ...network.answers, network.probabilities]
  const outputs = new Map(layers.map(name => [name, head.values.get(name)!]))
  const initializers = new Map([...head.initializers, ...headParameters(network, tensors)])
  const cut = model.cut(options, {
    nodes: head.nodes.map(nodeProto),
    initializers: [...initializers].map(([name, tensor]) => initializerProto(name, tensor)),
    inputs: [],
    outputs: [...new Set(outputs.values())].map(name => valueInfoProto({ name, shape: ['N', head.shapes.get(name)![0]!] })),
    ...(metadata === undefined ? {} : { metadata: metadata(outputs) }),
    replaced,
    contents,
    float32,
  })
  return { model: cut.model, input: model.image.name, outputs }
}
