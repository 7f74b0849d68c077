import { readFile } from 'node:fs/promises'
import { bytesOf, elementCount, errorCode, LayermillError, npyHeader, npyPlaces } from '@layermill/core'
import type { RawTensor } from '@layermill/engines'

/** NumPy's and the runtime's names of element types. */
const types = [
  { descr: '<f4', type: 'float32', width: 4, array: (buffer: ArrayBuffer) => new Float32Array(buffer) },
  { descr: '<f8', type: 'float64', width: 8, array: (buffer: ArrayBuffer) => new Float64Array(buffer) },
  { descr: '<f2', type: 'float16', width: 2, array: (buffer: ArrayBuffer) => new Uint16Array(buffer) },
  { descr: '|u1', type: 'uint8', width: 1, array: (buffer: ArrayBuffer) => new Uint8Array(buffer) },
  { descr: '|i1', type: 'int8', width: 1, array: (buffer: ArrayBuffer) => new Int8Array(buffer) },
  { descr: '|b1', type: 'bool', width: 1, array: (buffer: ArrayBuffer) => new Uint8Array(buffer) },
  { descr: '<i4', type: 'int32', width: 4, array: (buffer: ArrayBuffer) => new Int32Array(buffer) },
  { descr: '<i8', type: 'int64', width: 8, array: (buffer: ArrayBuffer) => new BigInt64Array(buffer) },
] as const

const invalid = (name: string, what: string): LayermillError =>
  new LayermillError('SPEC_INVALID', `${name} ${what}`, {
    hint: 'expected an array that numpy.save or numpy.savez wrote, of numbers, in C order',
  })

/** An array in NumPy's format, as it is. @throws LayermillError `SPEC_INVALID` */
export function parseNpy(name: string, bytes: Buffer): RawTensor {
  const places = npyPlaces(bytes)
  if (places === undefined || places.data > bytes.length) throw invalid(name, 'is no .npy array')
  const header = bytes.toString('latin1', places.dictionary, places.data)
  const descr = /'descr'\s*:\s*'([^']+)'/.exec(header)?.[1]
  const shape = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header)?.[1]
  const known = types.find(type => type.descr === descr)
  if (known === undefined) throw invalid(name, `is of type ${descr ?? 'unknown'}`)
  if (shape === undefined) throw invalid(name, 'has no shape')
  const dims = shape.split(',').flatMap(part => (part.trim() === '' ? [] : [Number(part)]))
  if (dims.length > 1 && /'fortran_order'\s*:\s*True/.test(header))
    throw invalid(name, 'is in Fortran order (numpy.ascontiguousarray turns it)')
  const length = elementCount(dims) * known.width
  if (bytes.length - places.data !== length)
    throw invalid(name, `has ${bytes.length - places.data} bytes for the shape (${dims.join(', ')}), which needs ${length}`)
  return { type: known.type, dims, data: known.array(new Uint8Array(bytes.subarray(places.data)).buffer) }
}

/** Reads a `.npy` file. @throws LayermillError `SPEC_INVALID` */
export async function readNpy(path: string): Promise<RawTensor> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new LayermillError('SPEC_INVALID', `${path} cannot be read (${errorCode(cause)})`, { cause })
  })
  return parseNpy(path, bytes)
}

/** The bytes of a `.npy` file. @throws LayermillError `SPEC_INVALID` for types that are not written */
export function npyBytes(name: string, { type, dims, data }: RawTensor): Buffer {
  const known = types.find(item => item.type === type)
  if (known === undefined) throw invalid(name, `is of type ${type}`)
  return Buffer.concat([npyHeader(known.descr, dims), bytesOf(data)])
}
