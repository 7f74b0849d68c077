import { protobuf } from '@layermill/core'
import { invalid } from '../invalid.js'

/** Field numbers of onnx.proto. */
export const modelFields = { irVersion: 1, producer: 2, producerVersion: 3, graph: 7, opsets: 8, metadata: 14, functions: 25 } as const
export const graphFields = {
  node: 1,
  name: 2,
  initializer: 5,
  input: 11,
  output: 12,
  valueInfo: 13,
  sparse: 15,
  quantization: 14,
  metadata: 16,
} as const
export const nodeFields = { input: 1, output: 2, name: 3, op: 4, attribute: 5, domain: 7, overload: 8, metadata: 9 } as const
export const attributeFields = {
  name: 1,
  float: 2,
  int: 3,
  string: 4,
  tensor: 5,
  graph: 6,
  floats: 7,
  ints: 8,
  graphs: 11,
  type: 20,
  reference: 21,
} as const
export const functionFields = {
  name: 1,
  input: 4,
  output: 5,
  attribute: 6,
  node: 7,
  opsets: 9,
  domain: 10,
  attributeProto: 11,
  overload: 13,
} as const
export const valueFields = { name: 1, type: 2 } as const
/** `place` and `placeBytes` are this project's, written by `readSkeleton`: the contents' place in the file. */
export const tensorFields = {
  dims: 1,
  type: 2,
  floats: 4,
  int32s: 5,
  int64s: 7,
  name: 8,
  raw: 9,
  doubles: 10,
  uint64s: 11,
  external: 13,
  location: 14,
  place: 40_001,
  placeBytes: 40_002,
} as const

const { VARINT, FIXED32, FIXED64, BYTES } = protobuf

/** One field of a message in memory. */
export interface Field {
  readonly number: number
  readonly wireType: number
  /** Of a varint, signed; exact to 2^53, beyond it rounded. */
  readonly value: number
  /** Contents of a length-delimited or fixed field; empty for a varint. */
  readonly bytes: Uint8Array
  /** The whole field, tag and length included. */
  readonly whole: Uint8Array
}

/** A varint as a signed 64-bit number, and where it ends. */
function varint(bytes: Uint8Array, start: number, file: string): [value: number, end: number] {
  let value = 0
  let scale = 1
  for (let i = start; i < Math.min(bytes.length, start + 10); i++) {
    const byte = bytes[i]!
    value += (byte & 0x7f) * scale
    scale *= 128
    if (byte < 0x80) return [value < 2 ** 53 ? value : signed(bytes.subarray(start, i + 1)), i + 1]
  }
  throw invalid(file, 'a number runs over the end of its message')
}

function signed(bytes: Uint8Array): number {
  let value = 0n
  for (const [i, byte] of bytes.entries()) value |= BigInt(byte & 0x7f) << BigInt(7 * i)
  return Number(BigInt.asIntN(64, value))
}

/**
 * The fields of a message in memory, in order.
 * @throws LayermillError `ONNX_INVALID`
 */
export function* fieldsOf(bytes: Uint8Array, file: string): Generator<Field> {
  for (let position = 0; position < bytes.length;) {
    const start = position
    const [tag, afterTag] = varint(bytes, position, file)
    const number = Math.floor(tag / 8)
    const wireType = tag - number * 8
    if (number < 1) throw invalid(file, `it has a field of number ${number}`)
    position = afterTag
    let value = 0
    let contents = bytes.subarray(0, 0)
    if (wireType === VARINT) {
      ;[value, position] = varint(bytes, position, file)
    } else {
      let length = wireType === FIXED64 ? 8 : 4
      if (wireType === BYTES) [length, position] = varint(bytes, position, file)
      else if (wireType !== FIXED64 && wireType !== FIXED32) throw invalid(file, `it has a field of wire type ${wireType}`)
      if (length < 0 || position + length > bytes.length) throw invalid(file, `a field of ${length} bytes is longer than its message`)
      contents = bytes.subarray(position, position + length)
      position += length
    }
    yield { number, wireType, value, bytes: contents, whole: bytes.subarray(start, position) }
  }
}

const utf8 = new TextDecoder()

/** Text of a field. */
export const textOf = ({ bytes }: Field): string => utf8.decode(bytes)

/** Numbers of a repeated integer field, packed or not. */
export function intsOf(field: Field, file: string): number[] {
  if (field.wireType === VARINT) return [field.value]
  const numbers: number[] = []
  for (let position = 0; position < field.bytes.length;) {
    const [value, end] = varint(field.bytes, position, file)
    numbers.push(value)
    position = end
  }
  return numbers
}

/** Numbers of a repeated float (`width` 4) or double field, packed or not. */
export function floatsOf({ bytes }: Field, width: 4 | 8 = 4): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: Math.floor(bytes.length / width) }, (_, i) =>
    width === 4 ? view.getFloat32(i * 4, true) : view.getFloat64(i * 8, true),
  )
}
