import { elementCount, fromFloat16, LayermillError, npyPlaces } from '@layermill/core'
import type { RangeSource } from '../features/types.js'

/** A table of numbers that is read in ranges of rows, in float64. */
export interface NumberRows {
  readonly rows: number
  /** Numbers in a row: those of a tensor one behind the other. */
  readonly columns: number
  read(start: number, end: number): Promise<Float64Array>
  /** The same into a given array of `(end - start) * columns` numbers, for blocks that are read many times. */
  fill?(start: number, end: number, target: Float64Array): Promise<void>
}

/** Bytes of a file that are held at once while an array is filled. */
const pieceBytes = 1 << 21

/** Rooms for pieces that are not in use. */
const rooms: Uint8Array[] = []

/** Cuts a range of rows into pieces of at most two mebibytes, or one row, and sets their numbers in place. */
export async function fillByPieces(
  [start, end]: readonly [number, number],
  { columns, width }: { readonly columns: number; readonly width: number },
  target: Float64Array,
  read: (start: number, end: number, room: Uint8Array) => Promise<ArrayLike<number>>,
): Promise<void> {
  const step = Math.max(1, Math.floor(pieceBytes / Math.max(1, columns * width)))
  const room = rooms.pop() ?? new Uint8Array(new ArrayBuffer(pieceBytes))
  try {
    for (let at = start; at < end; at += step) target.set(await read(at, Math.min(end, at + step), room), (at - start) * columns)
  } finally {
    rooms.push(room)
  }
}

/** Type, order and shape of a NumPy array, as its header says them. */
export interface ArrayHeader {
  /** `<f4`. */
  readonly descr: string
  readonly fortranOrder: boolean
  readonly shape: readonly number[]
}

const invalid = (name: string, what: string): LayermillError => new LayermillError('FEATURES_INVALID', `${name}: ${what}`)

type Getter = (view: DataView, offset: number, little: boolean) => number

const float16: Getter = (view, offset, little) => fromFloat16(Uint16Array.of(view.getUint16(offset, little)))[0]!

const getters: Readonly<Record<string, { readonly bytes: number; readonly get: Getter }>> = {
  f2: { bytes: 2, get: float16 },
  f4: { bytes: 4, get: (view, offset, little) => view.getFloat32(offset, little) },
  f8: { bytes: 8, get: (view, offset, little) => view.getFloat64(offset, little) },
  i1: { bytes: 1, get: (view, offset) => view.getInt8(offset) },
  i2: { bytes: 2, get: (view, offset, little) => view.getInt16(offset, little) },
  i4: { bytes: 4, get: (view, offset, little) => view.getInt32(offset, little) },
  i8: { bytes: 8, get: (view, offset, little) => Number(view.getBigInt64(offset, little)) },
  u1: { bytes: 1, get: (view, offset) => view.getUint8(offset) },
  u2: { bytes: 2, get: (view, offset, little) => view.getUint16(offset, little) },
  u4: { bytes: 4, get: (view, offset, little) => view.getUint32(offset, little) },
  u8: { bytes: 8, get: (view, offset, little) => Number(view.getBigUint64(offset, little)) },
  b1: { bytes: 1, get: (view, offset) => view.getUint8(offset) },
}

function typeOf(name: string, descr: string): (typeof getters)[string] {
  const type = getters[descr.slice(1)]
  if (type !== undefined && '<>|='.includes(descr.charAt(0))) return type
  if (descr.includes('O')) throw invalid(name, 'holds pickled Python objects, which are never unpickled; expected numbers')
  throw invalid(name, `values of type ${descr}, expected floating-point numbers or integers`)
}

/** Bytes of one number. @throws LayermillError `FEATURES_INVALID` for types that are no numbers */
export const bytesOfType = (name: string, descr: string): number => typeOf(name, descr).bytes

/** Numbers of a NumPy type as float64. @throws LayermillError `FEATURES_INVALID` for types that are no numbers */
export const decodeNumbers = (name: string, descr: string, bytes: Uint8Array): Float64Array => {
  const values = viewNumbers(name, descr, bytes)
  return values instanceof Float64Array ? values : new Float64Array(values)
}

/** Numbers of a NumPy type as they lie there where this machine has such arrays, else as float64. */
function viewNumbers(name: string, descr: string, bytes: Uint8Array): Float32Array | Float64Array {
  const { bytes: width, get } = typeOf(name, descr)
  const little = descr.charAt(0) !== '>'
  const count = Math.floor(bytes.byteLength / width)
  // The usual types without a call for each number.
  if (little && (descr.endsWith('f4') || descr.endsWith('f8'))) {
    const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
    const { buffer, byteOffset } = aligned
    return descr.endsWith('f4') ? new Float32Array(buffer, byteOffset, count) : new Float64Array(buffer, byteOffset, count)
  }
  if (little && descr.endsWith('f2')) {
    const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
    return fromFloat16(new Uint16Array(aligned.buffer, aligned.byteOffset, count))
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Float64Array.from({ length: count }, (_, i) => get(view, i * width, little))
}

/** Column-major numbers in row-major order, the last axes as one. */
function fromFortran(values: Float64Array, shape: readonly number[]): Float64Array {
  const result = new Float64Array(values.length)
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)))
  const index = shape.map(() => 0)
  for (let source = 0, target = 0; source < values.length; source++) {
    result[target] = values[source]!
    for (let axis = 0; axis < shape.length; axis++) {
      index[axis]!++
      target += strides[axis]!
      if (index[axis]! < shape[axis]!) break
      target -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return result
}

/** A whole array in memory as rows. @throws LayermillError `FEATURES_INVALID` where it has no rows */
export function arrayRows(name: string, header: ArrayHeader, bytes: Uint8Array): NumberRows {
  const { rows, columns } = sidesOf(name, header.shape)
  const decoded = decodeNumbers(name, header.descr, bytes)
  const values = header.fortranOrder ? fromFortran(decoded, header.shape) : decoded
  return { rows, columns, read: async (start, end) => values.subarray(start * columns, end * columns) }
}

function sidesOf(name: string, shape: readonly number[]): { rows: number; columns: number } {
  const [rows, ...rest] = shape
  if (rows === undefined) throw invalid(name, 'a single number, expected a row for each image')
  return { rows, columns: elementCount(rest) }
}

/**
 * A `.npy` file as rows: any type of numbers, either byte order; in C order only the rows asked for are read, in Fortran order the whole
 * file is.
 *
 * @throws LayermillError `FEATURES_INVALID`
 */
export async function openNpyRows(source: RangeSource, name: string): Promise<NumberRows> {
  const { header, dataOffset } = await readHeader(source, name)
  const { rows, columns } = sidesOf(name, header.shape)
  const width = bytesOfType(name, header.descr)
  const expected = dataOffset + rows * columns * width
  if (source.bytes !== expected)
    throw invalid(name, `${source.bytes} bytes, expected ${expected} for the shape [${header.shape.join(', ')}]`)
  if (header.fortranOrder && header.shape.length > 1) return arrayRows(name, header, await source.range(dataOffset, source.bytes))
  const rowBytes = columns * width
  const bytesOfRows = (start: number, end: number, room?: Uint8Array): Promise<Uint8Array> =>
    source.range(dataOffset + start * rowBytes, dataOffset + end * rowBytes, room)
  return {
    rows,
    columns,
    read: async (start, end) => decodeNumbers(name, header.descr, await bytesOfRows(start, end)),
    fill: (start, end, target) =>
      fillByPieces([start, end], { columns, width }, target, async (from, to, room) =>
        viewNumbers(name, header.descr, await bytesOfRows(from, to, room)),
      ),
  }
}

async function readHeader(source: RangeSource, name: string): Promise<{ header: ArrayHeader; dataOffset: number }> {
  const first = Buffer.from(await source.range(0, Math.min(source.bytes, 4096)))
  const places = npyPlaces(first)
  if (places === undefined) throw invalid(name, 'not a .npy file')
  const { dictionary, data: dataOffset } = places
  if (dataOffset > source.bytes || dataOffset > 2 ** 20) throw invalid(name, 'the header is cut off')
  const whole = dataOffset <= first.length ? first : Buffer.from(await source.range(0, dataOffset))
  const text = whole.toString('latin1', dictionary, dataOffset)
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1]
  const shape = /'shape'\s*:\s*\(([^)]*)\)/.exec(text)?.[1]
  if (descr === undefined || shape === undefined) throw invalid(name, 'the header names no plain type or no shape')
  const sizes = shape
    .split(',')
    .map(size => size.trim().replace(/L$/, ''))
    .filter(size => size !== '')
    .map(Number)
  if (!sizes.every(size => Number.isSafeInteger(size) && size >= 0)) throw invalid(name, `the shape (${shape})`)
  return { header: { descr, fortranOrder: /'fortran_order'\s*:\s*True/.test(text), shape: sizes }, dataOffset }
}
