import { stat } from 'node:fs/promises'
import { elementCount, LayermillError, printableName } from '@layermill/core'
import { type Trainability, trainabilityOf } from '@layermill/engines'
import { findOnnxFile, namesOnnxFile, onnxPreparation } from '@layermill/inference'
import { describePreparation, type Network, type Size2 } from '@layermill/models'
import { describeInput, OnnxModel, onnxNetwork, type OnnxNetwork } from '@layermill/onnx'
import { formatBytes, formatMagnitude, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import type { ModelsOptions } from './models-options.js'

/** Whether a name is that of an ONNX file, or of a folder with one. */
export async function isOnnx(name: string): Promise<boolean> {
  if (namesOnnxFile(name)) return true
  const isFolder = (await stat(name).catch(() => undefined))?.isDirectory() === true
  return isFolder && (await findOnnxFile(name)) !== undefined
}

interface Row {
  readonly layer: string
  readonly value: string
  readonly kind: 'module' | 'value'
  /** Without the batch; undefined where it is not known before an image is computed. */
  readonly shape: readonly number[] | undefined
  readonly bytesPerImage: number | undefined
  readonly flops: number | undefined
  readonly remark: string | undefined
}

function shapeOf(network: OnnxNetwork, layer: string, size: Size2): readonly number[] | undefined {
  try {
    return network.graph.shape(layer, size)
  } catch (error) {
    if (error instanceof LayermillError) return undefined
    throw error
  }
}

/** Modules first, each call by itself, then the values that are no module's. */
function rowsOf(network: OnnxNetwork, size: Size2): Row[] {
  const { model } = network.graph
  const modules = [...model.names.modules.keys()].flatMap(path =>
    model.resolve([`module:${path}`]).map(layer => ({ ...layer, name: layer.name.replace(/^module:/, ''), kind: 'module' as const })),
  )
  const named = new Set(modules.map(({ value }) => value))
  const values = [...model.names.values]
    .filter(value => !named.has(value))
    .map(value => ({ name: value, value, remark: undefined, kind: 'value' as const }))
  const flops = network.graph.flopsOf(
    [...modules, ...values].map(({ value }) => value),
    size,
  )
  const isAlone = model.graph.inputs.length === 1
  return [...modules, ...values].map(({ name, value, remark: said, kind }) => {
    const shape = shapeOf(network, `value:${value}`, size)
    const inputs = isAlone ? [] : model.otherInputs(value)
    const remark = inputs.length === 0 ? said : `needs the input ${inputs.map(printableName).join(', ')}`
    return {
      layer: name,
      value,
      kind,
      shape,
      bytesPerImage: shape === undefined ? undefined : elementCount(shape) * Float32Array.BYTES_PER_ELEMENT,
      flops: flops.get(value),
      remark,
    }
  })
}

/** Tensors of the file that learn before its default layer, and the operators in their way, in words. */
function describeTraining(layer: string, { tensors, numbers, missing }: Trainability): string {
  const learnable = `${formatMagnitude(numbers)} numbers in ${tensors} tensors`
  const all = `training: a head on any layer; before ${printableName(layer)} ${learnable} can learn (--base)`
  return missing.length === 0 ? all : `${all}, those behind ${missing.map(printableName).join(', ')}, which have no gradient here`
}

/** `layermill models FILE` of an ONNX file: its modules and values with shape, bytes and cost, its inputs, and how images are prepared. */
export async function describeOnnx(
  output: Output,
  file: string,
  sizeOf: (text: string | undefined, network: Network) => Size2,
  options: ModelsOptions,
): Promise<void> {
  const path = await findOnnxFile(file)
  if (path === undefined) throw new LayermillError('MODEL_UNKNOWN', `there is no ONNX file at ${file}`)
  const model = await OnnxModel.open(path)
  const prepared = await onnxPreparation(model)
  const network = onnxNetwork(model, { preparation: prepared?.preparation, inputSize: prepared?.inputSize })
  const size = sizeOf(options.size, network)
  const rows = rowsOf(network, size)
  const summary = {
    file: path,
    irVersion: model.model.irVersion,
    opset: model.model.opsets.get(''),
    producer: model.model.producer,
    inputs: model.graph.inputs.map(describeInput),
    outputs: model.graph.outputs.map(({ name }) => name),
    inputSize: { height: size[0], width: size[1] },
    batch: model.image.batch,
    parameters: network.graph.parameters,
    classes: network.classes,
    defaultLayer: network.defaultLayer,
    preparation: prepared === undefined ? undefined : prepared.name,
    training: trainabilityOf(network, network.defaultLayer),
  }
  if (options.json === true) return output.json({ ...summary, layers: rows })
  output.line(
    `${printableName(file)}: opset ${summary.opset}, ${summary.producer || 'producer unknown'}, ${formatMagnitude(summary.parameters)} parameters, images of ${size[1]}x${size[0]}, default layer ${printableName(network.defaultLayer)}`,
  )
  output.line(`inputs: ${summary.inputs.map(printableName).join('; ')}; outputs: ${summary.outputs.map(printableName).join(', ')}`)
  output.line(
    prepared === undefined
      ? 'preparation: nothing says; give --prepare'
      : `preparation: ${prepared.name}: ${describePreparation(prepared.preparation)}`,
  )
  output.line(`${describeTraining(network.defaultLayer, summary.training)}\n`)
  const table = rows.map(row => [
    row.kind === 'module' ? printableName(row.layer) : `  ${printableName(row.layer)}`,
    row.shape?.join('x') ?? '?',
    row.bytesPerImage === undefined ? '?' : formatBytes(row.bytesPerImage),
    row.flops === undefined ? '?' : formatMagnitude(row.flops),
    row.remark ?? '',
  ])
  output.line(formatTable(['layer', 'shape', '>bytes/image', '>FLOPs so far', 'remark'], table))
}
