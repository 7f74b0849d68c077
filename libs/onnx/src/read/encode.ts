import { bytesField, bytesOf, concatenate, intField, type Message, message, messageField, stringField } from '@layermill/core'
import type { AttributeDef, Dim, GraphDef, NodeDef, Place, TensorDef } from '../types.js'
import { attributeFields, fieldsOf, graphFields, nodeFields, tensorFields } from './fields.js'

export const asIs = (bytes: Uint8Array): Message => ({ bytes: bytes.length, chunks: [bytes] })

/** The NodeProto of a node, what is not understood included. */
export function nodeProto(node: NodeDef): Message {
  return message([
    ...node.inputs.map(name => stringField(nodeFields.input, name)),
    ...node.outputs.map(name => stringField(nodeFields.output, name)),
    stringField(nodeFields.name, node.name),
    stringField(nodeFields.op, node.op),
    ...[...node.attributes.values()].map(attribute => bytesField(nodeFields.attribute, attribute.proto)),
    ...(node.domain === '' ? [] : [stringField(nodeFields.domain, node.domain)]),
    ...(node.overload === '' ? [] : [stringField(nodeFields.overload, node.overload)]),
    ...node.rest.map(asIs),
  ])
}

/** A graph within an attribute, as a message. Its tensors are whole. */
export function subgraphProto(graph: GraphDef): Message {
  return message([
    ...graph.nodes.map(node => messageField(graphFields.node, nodeProto(node))),
    stringField(graphFields.name, graph.name),
    ...[...graph.initializers.values()].map(tensor => bytesField(graphFields.initializer, tensor.proto)),
    ...graph.inputs.map(value => bytesField(graphFields.input, value.proto)),
    ...graph.outputs.map(value => messageField(graphFields.output, renamedValue(value.proto, value.name))),
    ...[...graph.values.values()].map(value => bytesField(graphFields.valueInfo, value.proto)),
    ...graph.rest.map(asIs),
  ])
}

function renamedValue(proto: Uint8Array, name: string): Message {
  return message([stringField(1, name), ...[...fieldsOf(proto, '')].filter(field => field.number !== 1).map(field => asIs(field.whole))])
}

/** An attribute with another name, as a function's node gets it from its caller. */
export function renamedAttribute(attribute: AttributeDef, name: string): AttributeDef {
  const fields = [...fieldsOf(attribute.proto, '')].filter(field => field.number !== attributeFields.name)
  const proto = concatenate(message([stringField(attributeFields.name, name), ...fields.map(field => asIs(field.whole))]))
  return { ...attribute, name, reference: '', proto }
}

/** An attribute whose graphs are others. */
export function attributeOfGraphs(attribute: AttributeDef, graphs: readonly GraphDef[]): AttributeDef {
  const encodedGraph: readonly number[] = [attributeFields.graph, attributeFields.graphs]
  const fields = [...fieldsOf(attribute.proto, '')].filter(field => !encodedGraph.includes(field.number))
  const number = attribute.kind === 'graphs' ? attributeFields.graphs : attributeFields.graph
  const proto = concatenate(
    message([...fields.map(field => asIs(field.whole)), ...graphs.map(graph => messageField(number, subgraphProto(graph)))]),
  )
  return { ...attribute, graphs, proto }
}

/** A TensorProto by another name; with `place`, its contents lie in that external file; with `raw`, they are these bytes. */
export function tensorProto(tensor: TensorDef, name: string, place?: Place, raw?: Uint8Array): Message {
  const left: number[] = [tensorFields.name, tensorFields.place, tensorFields.placeBytes]
  if (place !== undefined || raw !== undefined)
    left.push(tensorFields.location, tensorFields.external, tensorFields.raw, tensorFields.floats, tensorFields.doubles)
  const fields = [...fieldsOf(tensor.proto, '')].filter(field => !left.includes(field.number))
  const entry = (key: string, text: string): Message =>
    messageField(tensorFields.external, message([stringField(1, key), stringField(2, text)]))
  return message([
    ...fields.map(field => asIs(field.whole)),
    stringField(tensorFields.name, name),
    ...(raw === undefined ? [] : [bytesField(tensorFields.raw, raw)]),
    ...(place === undefined
      ? []
      : [
          entry('location', place.location),
          entry('offset', String(place.offset)),
          entry('length', String(place.length)),
          intField(tensorFields.location, 1),
        ]),
  ])
}

/** A tensor of any element type whose numbers are these bytes. */
export function rawTensor(name: string, type: number, dims: readonly number[], data: ArrayBufferView): TensorDef {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const fields = [
    ...dims.map(dim => intField(tensorFields.dims, dim)),
    intField(tensorFields.type, type),
    stringField(tensorFields.name, name),
  ]
  return { name, type, dims, proto: concatenate(message([...fields, bytesField(tensorFields.raw, raw)])) }
}

/** Largest int64, by which exporters say that there is no end: as a double it is one more, which would become the smallest. */
const mostInt64 = 2n ** 63n - 1n

const int64Of = (number: number): bigint => (number >= 2 ** 63 ? mostInt64 : BigInt(number))

/** An int64 tensor of one dimension, or a scalar. */
export function intTensor(name: string, numbers: readonly number[], dims: readonly number[] = [numbers.length]): TensorDef {
  const raw = new Uint8Array(BigInt64Array.from(numbers, int64Of).buffer)
  const proto = concatenate(
    message([
      ...dims.map(dim => intField(tensorFields.dims, dim)),
      intField(tensorFields.type, 7),
      stringField(tensorFields.name, name),
      bytesField(tensorFields.raw, raw),
    ]),
  )
  return { name, type: 7, dims, proto }
}

/** A float32 tensor of one dimension, or a scalar. */
export function floatTensor(name: string, numbers: readonly number[], dims: readonly number[]): TensorDef {
  return { name, type: 1, dims, proto: concatenate(floatProto(name, Float32Array.from(numbers), dims)) }
}

/** The TensorProto of float32 numbers, which are not copied. */
export function floatProto(name: string, data: Float32Array, dims: readonly number[]): Message {
  return message([
    ...dims.map(dim => intField(tensorFields.dims, dim)),
    intField(tensorFields.type, 1),
    stringField(tensorFields.name, name),
    bytesField(tensorFields.raw, bytesOf(data)),
  ])
}

/** A ValueInfoProto of a tensor; without a shape, of any shape. */
export function valueProto(name: string, type: number, shape?: readonly Dim[]): Message {
  const dim = (size: Dim): Message =>
    messageField(1, typeof size === 'number' ? intField(1, size) : message(size === '' ? [] : [stringField(2, size)]))
  const dims = shape === undefined ? [] : [messageField(2, message(shape.map(dim)))]
  return message([stringField(1, name), messageField(2, messageField(1, message([intField(1, type), ...dims])))])
}
