import { doubleToFloat, elementCount, halfToFloat, int64ToFloat, LayermillError, npyPlaces } from '@layermill/core'

/** Longest header that is looked at; NumPy's own are under a kilobyte. */
export const maxNpyHeader = 64 * 1024

export interface NpyHeader {
  /** `<f4`. */
  readonly descr: string
  readonly fortranOrder: boolean
  readonly shape: readonly number[]
  /** Offset of the data. */
  readonly dataOffset: number
  /** Length of the data; undefined for types that are not read. */
  readonly dataBytes: number | undefined
}

const dtypes: Readonly<Record<string, { width: number; convert: ((bytes: Uint8Array) => Float32Array) | undefined }>> = {
  '<f4': { width: 4, convert: undefined },
  '<f8': { width: 8, convert: doubleToFloat },
  '<f2': { width: 2, convert: halfToFloat },
  '<i8': { width: 8, convert: int64ToFloat },
}

function malformed(name: string, what: string): LayermillError {
  return new LayermillError('WEIGHTS_FORMAT', `${name} is not a valid .npy array: ${what}`)
}

/** Bytes from the start of the array to its data, from the first 12 bytes. */
export function npyHeaderLength(name: string, start: Buffer): number {
  const places = npyPlaces(start)
  if (places === undefined) throw malformed(name, "it does not begin with NumPy's mark")
  const { major, data: length } = places
  if (major < 1 || major > 3) throw malformed(name, `version ${major} of the format is not known`)
  if (length > maxNpyHeader) throw malformed(name, `its header would be ${length} bytes long`)
  return length
}

/** Parses the header in `start`, the first bytes of an array (all of the header, at least). */
export function parseNpyHeader(name: string, start: Buffer): NpyHeader {
  const dataOffset = npyHeaderLength(name, start)
  if (start.length < dataOffset) throw malformed(name, 'it ends in the header')
  const text = start.toString('latin1', start[6] === 1 ? 10 : 12, dataOffset)
  const descr = /'descr'\s*:\s*'([^']+)'/.exec(text)?.[1]
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1]
  const shapeText = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1]
  if (descr === undefined) throw malformed(name, 'its element type is not a plain one')
  if (order === undefined || shapeText === undefined) throw malformed(name, 'its header lacks shape or fortran_order')
  const shape = shapeText
    .split(',')
    .map(part => part.trim().replace(/L$/, ''))
    .filter(part => part !== '')
    .map(Number)
  const count = elementCount(shape)
  if (!Number.isSafeInteger(count)) throw malformed(name, `its shape (${shapeText}) is too large`)
  const type = dtypes[descr]
  return { descr, fortranOrder: order === 'True', shape, dataOffset, dataBytes: type === undefined ? undefined : count * type.width }
}

/** Column-major to row-major. */
function fromFortranOrder(data: Float32Array, shape: readonly number[]): Float32Array {
  if (shape.length < 2) return data
  const result = new Float32Array(data.length)
  const index = shape.map(() => 0)
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)))
  let target = 0
  for (let source = 0; source < data.length; source++) {
    result[target] = data[source]!
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

/**
 * An array's data as float32 in row-major order.
 * @throws LayermillError `WEIGHTS_FORMAT` for types other than float16, float32, float64 and int64; objects are never unpickled.
 */
export async function readNpyData(name: string, header: NpyHeader, read: (target: Uint8Array) => Promise<void>): Promise<Float32Array> {
  const type = dtypes[header.descr]
  if (type === undefined || header.dataBytes === undefined) {
    if (header.descr.includes('O')) {
      throw new LayermillError(
        'WEIGHTS_FORMAT',
        `${name} holds pickled Python objects, which are never unpickled; float32 numbers were expected`,
      )
    }
    throw new LayermillError('WEIGHTS_FORMAT', `${name} is of type ${header.descr}; <f4, <f8 or <f2 was expected`)
  }
  let data: Float32Array
  if (type.convert === undefined) {
    data = new Float32Array(header.dataBytes / 4)
    await read(new Uint8Array(data.buffer))
  } else {
    const bytes = new Uint8Array(header.dataBytes)
    await read(bytes)
    data = type.convert(bytes)
  }
  return header.fortranOrder ? fromFortranOrder(data, header.shape) : data
}
