import {
  bytesField,
  floatField,
  intField,
  message,
  messageField,
  packedFloats,
  packedInts,
  stringField,
  type Message,
} from '@layermill/core'
import { microsoft, nchwc, type OnnxAttribute, type OnnxGraph, type OnnxInitializer, type OnnxNode, type OnnxValueInfo } from './graph.js'

/** The operator set and file version written: old enough for every ONNX Runtime of the last years, new enough for all operators used. */
export const opset = 17
const irVersion = 8

/** TensorProto.DataType */
const dataType = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, float16: 10, float64: 11 } as const
const externalLocation = 1

/** AttributeProto: field and AttributeType of each kind of value. */
function attributeValue(attribute: OnnxAttribute): Message[] {
  switch (attribute.kind) {
    case 'float':
      return [floatField(2, attribute.value), intField(20, 1)]
    case 'int':
      return [intField(3, attribute.value), intField(20, 2)]
    case 'string':
      return [stringField(4, attribute.value), intField(20, 3)]
    case 'floats':
      return [packedFloats(7, attribute.value), intField(20, 6)]
    case 'ints':
      return [packedInts(8, attribute.value), intField(20, 7)]
  }
}

/** The NodeProto of a node. */
export function nodeProto(node: OnnxNode): Message {
  return message([
    ...node.inputs.map(name => stringField(1, name)),
    ...node.outputs.map(name => stringField(2, name)),
    stringField(3, node.outputs[0] ?? ''),
    stringField(4, node.op),
    ...Object.entries(node.attributes ?? {}).map(([name, value]) =>
      messageField(5, message([stringField(1, name), ...attributeValue(value)])),
    ),
    ...(node.domain === undefined ? [] : [stringField(7, node.domain)]),
  ])
}

/** The ValueInfoProto of an input or output. */
export function valueInfoProto(value: OnnxValueInfo): Message {
  const dims = value.shape.map(dim => messageField(1, typeof dim === 'number' ? intField(1, dim) : stringField(2, dim)))
  const tensorType = message([intField(1, dataType[value.type ?? 'float32']), messageField(2, message(dims))])
  return message([stringField(1, value.name), messageField(2, messageField(1, tensorType))])
}

/** The memory of an initializer as bytes, not copied. */
export function rawBytes(data: Float32Array | Uint16Array | Int8Array | Uint8Array | Int32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function int64Bytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
}

/** Place of a tensor's bytes that are not in the model. */
export interface ExternalPlace {
  /** A file's name, relative to the folder given when the model is loaded. */
  readonly location: string
  readonly offset: number
}

/** The TensorProto of a constant; with `external`, its numbers lie in a file. */
export function initializerProto(name: string, tensor: OnnxInitializer, external?: ExternalPlace): Message {
  const head = [...tensor.shape.map(dim => intField(1, dim)), intField(2, dataType[tensor.type]), stringField(8, name)]
  if (tensor.type === 'int64') return message([...head, bytesField(9, int64Bytes(tensor.data))])
  if (external === undefined) return message([...head, bytesField(9, rawBytes(tensor.data))])
  const entry = (key: string, value: string) => messageField(13, message([stringField(1, key), stringField(2, value)]))
  return message([
    ...head,
    entry('location', external.location),
    entry('offset', String(external.offset)),
    entry('length', String(tensor.data.byteLength)),
    intField(14, externalLocation),
  ])
}

/**
 * Encodes a graph as an ONNX ModelProto. Initializers named in `external` are written as references to files that whoever
 * loads the model provides. All others are in the model, as views on their own memory: nothing is copied here (`concatenate` copies
 * once).
 * @param metadata names and texts that any reader of the model sees (`metadata_props`)
 */
export function modelProto(
  graph: OnnxGraph,
  external: ReadonlyMap<string, ExternalPlace> = new Map(),
  metadata: Readonly<Record<string, string>> = {},
): Message {
  const body = message([
    ...graph.nodes.map(node => messageField(1, nodeProto(node))),
    stringField(2, graph.name),
    ...[...graph.initializers].map(([name, tensor]) => messageField(5, initializerProto(name, tensor, external.get(name)))),
    ...graph.inputs.map(value => messageField(11, valueInfoProto(value))),
    ...graph.outputs.map(value => messageField(12, valueInfoProto(value))),
  ])
  return message([
    intField(1, irVersion),
    stringField(2, 'layermill'),
    messageField(7, body),
    messageField(8, message([stringField(1, ''), intField(2, graph.opset ?? opset)])),
    ...[microsoft, nchwc]
      .filter(domain => graph.nodes.some(node => node.domain === domain))
      .map(domain => messageField(8, message([stringField(1, domain), intField(2, 1)]))),
    ...Object.entries(metadata).map(([key, value]) => messageField(14, message([stringField(1, key), stringField(2, value)]))),
  ])
}
