import { invalid } from '../invalid.js'
import { elementBits, type Place, type TensorDef } from '../types.js'
import { fieldsOf, floatsOf, intsOf, tensorFields, textOf } from './fields.js'
import { fromFloat16 } from '@layermill/core'

/** Elements of a shape; undefined where it is none, or larger than any file. */
function elements(dims: readonly number[]): number | undefined {
  let product = 1
  for (const dim of dims) {
    if (!Number.isSafeInteger(dim) || dim < 0) return undefined
    product *= dim
  }
  return product <= 2 ** 50 ? product : undefined
}

/** Bytes of a tensor in the layout of raw data; undefined for strings. */
export function rawBytesOf(type: number, dims: readonly number[]): number | undefined {
  const bits = elementBits.get(type) ?? 0
  return bits === 0 ? undefined : Math.ceil((elements(dims)! * bits) / 8)
}

function externalPlace(entries: ReadonlyMap<string, string>, name: string, length: number, file: string): Place {
  const location = entries.get('location') ?? ''
  const number = (key: string): number => {
    const text = entries.get(key) ?? (key === 'length' ? String(length) : '0')
    if (!/^\d{1,15}$/.test(text)) throw invalid(file, `tensor '${name}' has the ${key} '${text}' in its external file`)
    return Number(text)
  }
  if (location === '') throw invalid(file, `tensor '${name}' names no external file`)
  if (number('length') !== length) {
    throw invalid(file, `tensor '${name}' needs ${length} bytes of ${location}, and says that it has ${number('length')}`)
  }
  return { location, offset: number('offset'), length }
}

/**
 * Reads a TensorProto, numbers left where they are.
 * @throws LayermillError `ONNX_INVALID` for shapes and lengths that contradict each other
 */
export function parseTensor(proto: Uint8Array, file: string): TensorDef {
  const dims: number[] = []
  let type = 0
  let name = ''
  let external = false
  let start: number | undefined
  let bytes = 0
  let raw: number | undefined
  const entries = new Map<string, string>()
  for (const field of fieldsOf(proto, file)) {
    if (field.number === tensorFields.dims) dims.push(...intsOf(field, file))
    else if (field.number === tensorFields.type) type = field.value
    else if (field.number === tensorFields.name) name = textOf(field)
    else if (field.number === tensorFields.raw) raw = field.bytes.length
    else if (field.number === tensorFields.location) external = field.value === 1
    else if (field.number === tensorFields.place) start = field.value
    else if (field.number === tensorFields.placeBytes) bytes = field.value
    else if (field.number === tensorFields.external) {
      const parts = new Map([...fieldsOf(field.bytes, file)].map(part => [part.number, textOf(part)]))
      entries.set(parts.get(1) ?? '', parts.get(2) ?? '')
    }
  }
  if (dims.length > 64 || elements(dims) === undefined) throw invalid(file, `tensor '${name}' has the shape ${dims.join('x')}`)
  if (!elementBits.has(type)) throw invalid(file, `tensor '${name}' has elements of the unknown type ${type}`)
  const needed = rawBytesOf(type, dims)
  if (external) {
    if (needed === undefined) throw invalid(file, `tensor '${name}' holds strings in an external file`)
    return { name, type, dims, place: externalPlace(entries, name, needed, file), proto }
  }
  const held = start === undefined ? raw : bytes
  if (held !== undefined && needed !== held) {
    throw invalid(file, `tensor '${name}' of shape ${dims.join('x')} needs ${needed ?? 'text'} bytes, and has ${held}`)
  }
  return start === undefined
    ? { name, type, dims, proto }
    : { name, type, dims, place: { location: '', offset: start, length: bytes }, proto }
}

/** Most numbers of a tensor that are looked at: shapes, axes and scales have a few. */
const mostNumbers = 4096

/** The numbers of a small tensor within its message; undefined for a large or external one, and for types that no size is of. */
export function smallNumbers(tensor: TensorDef, file: string): number[] | undefined {
  return tensor.place !== undefined || elements(tensor.dims)! > mostNumbers ? undefined : readNumbers(tensor, file)
}

/** The numbers of a tensor within its message, however many; undefined for types that no size is of. */
export function readNumbers(tensor: TensorDef, file: string): number[] | undefined {
  const count = elements(tensor.dims)!
  for (const field of fieldsOf(tensor.proto, file)) {
    if (field.number === tensorFields.raw) return rawNumbers(field.bytes, tensor.type, count)
    if (field.number === tensorFields.floats && tensor.type === 1)
      return floatsOf(field).length === count ? floatsOf(field) : typedNumbers(tensor, file)
    if ([tensorFields.int32s, tensorFields.int64s, tensorFields.doubles, tensorFields.floats].includes(field.number as 4))
      return typedNumbers(tensor, file)
  }
  return count === 0 ? [] : undefined
}

function typedNumbers(tensor: TensorDef, file: string): number[] | undefined {
  const numbers: number[] = []
  for (const field of fieldsOf(tensor.proto, file)) {
    if (field.number === tensorFields.int32s || field.number === tensorFields.int64s)
      for (const value of intsOf(field, file)) numbers.push(value)
    else if (field.number === tensorFields.floats) numbers.push(...floatsOf(field))
    else if (field.number === tensorFields.doubles) numbers.push(...floatsOf(field, 8))
  }
  if (numbers.length !== elements(tensor.dims)) return undefined
  return tensor.type === 10 ? [...fromFloat16(Uint16Array.from(numbers))] : numbers
}

function rawNumbers(bytes: Uint8Array, type: number, count: number): number[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const read: Readonly<Record<number, (i: number) => number>> = {
    1: i => view.getFloat32(i * 4, true),
    2: i => view.getUint8(i),
    3: i => view.getInt8(i),
    4: i => view.getUint16(i * 2, true),
    5: i => view.getInt16(i * 2, true),
    6: i => view.getInt32(i * 4, true),
    7: i => Number(view.getBigInt64(i * 8, true)),
    9: i => view.getUint8(i),
    10: i => fromFloat16(Uint16Array.of(view.getUint16(i * 2, true)))[0]!,
    11: i => view.getFloat64(i * 8, true),
  }
  const at = read[type]
  return at === undefined ? undefined : Array.from({ length: count }, (_, i) => at(i))
}
