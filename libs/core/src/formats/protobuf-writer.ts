/**
 * The Protocol Buffers wire format, writing only, as lists of chunks: a message is measured by adding up its parts and big byte
 * fields stay views on the memory they came in, so that a nested half-gigabyte tensor is not copied at every level it is nested in.
 */

/** Encoded bytes in order. */
export interface Message {
  readonly bytes: number
  readonly chunks: readonly Uint8Array[]
}

/** Wire types of the fields used here. */
const varintType = 0
const lengthDelimited = 2
const fixed32 = 5

const utf8 = new TextEncoder()

/** An unsigned integer up to 2^53 - 1, or a negative one of at least -2^53 as its 64-bit two's complement. */
function varint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer that fits a varint exactly`)
  const out: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  out.push(Number(rest))
  return Uint8Array.from(out)
}

function fromChunks(chunks: readonly Uint8Array[]): Message {
  return { bytes: chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0), chunks }
}

function tag(field: number, type: number): Uint8Array {
  return varint(field * 8 + type)
}

/** The fields of one message after each other. */
export function message(fields: readonly Message[]): Message {
  return fromChunks(fields.flatMap(field => field.chunks))
}

export function intField(field: number, value: number): Message {
  return fromChunks([tag(field, varintType), varint(value)])
}

export function floatField(field: number, value: number): Message {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  return fromChunks([tag(field, fixed32), bytes])
}

/** A `bytes` field; `value` is not copied. */
export function bytesField(field: number, value: Uint8Array): Message {
  return fromChunks([tag(field, lengthDelimited), varint(value.byteLength), value])
}

export function stringField(field: number, value: string): Message {
  return bytesField(field, utf8.encode(value))
}

/** Repeated integers, packed. */
export function packedInts(field: number, values: readonly number[]): Message {
  return messageField(field, fromChunks(values.map(varint)))
}

/** Repeated floats, packed. */
export function packedFloats(field: number, values: readonly number[]): Message {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => view.setFloat32(i * 4, value, true))
  return bytesField(field, bytes)
}

export function messageField(field: number, value: Message): Message {
  return fromChunks([tag(field, lengthDelimited), varint(value.bytes), ...value.chunks])
}

/** All bytes in one array: the one copy. */
export function concatenate(value: Message): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(value.bytes)
  let offset = 0
  for (const chunk of value.chunks) {
    out.set(chunk, offset)
    offset += chunk.byteLength
  }
  return out
}
