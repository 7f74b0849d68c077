import { LayermillError, npyHeader, npyPlaces } from '@layermill/core'
import { readValues, writeValues } from './values.js'
import { bytesOf, type FeatureDtype, type FeatureRows, lengthOf, type RangeSource, rangesOf, type RowRange } from './types.js'

/** Room kept for the row count, so that a header's length does not depend on it. */
const rowDigits = 16

/** A feature file of one layer in the making: one buffer for header and rows, filled in place and never copied. */
export interface NpyBuffer {
  /** Room for the header, then `maxRows` rows. */
  readonly buffer: Uint8Array
  /** Values of one row: float32, or the bits of float16. A view of the buffer. */
  row(index: number): Float32Array | Uint16Array
  /** Writes one row, rounding where the file holds float16. */
  setRow(index: number, values: Float32Array): void
  /** Writes the header for the first `rows` rows; the file's bytes, a view of the buffer. */
  finish(rows: number): Uint8Array
}

/**
 * Allocates a `.npy` file (version 1.0) of up to `maxRows` rows. The header takes as much room for any number of rows, so the same rows
 * give the same bytes whatever the room.
 *
 * @param rowShape one row's shape; `[]` for a number a row
 */
export function allocateNpy(maxRows: number, rowShape: readonly number[], dtype: FeatureDtype = 'float32'): NpyBuffer {
  const headerBytes = headerOf(10 ** (rowDigits - 1), rowShape, dtype).byteLength
  const rowLength = lengthOf(rowShape)
  const rowBytes = rowLength * bytesOf(dtype)
  const buffer = new Uint8Array(new ArrayBuffer(headerBytes + maxRows * rowBytes))
  const row = (index: number): Float32Array | Uint16Array => {
    if (!(index >= 0 && index < maxRows)) throw new LayermillError('ROW_INVALID', `row ${index} of ${maxRows}`)
    const start = headerBytes + index * rowBytes
    return dtype === 'float32' ? new Float32Array(buffer.buffer, start, rowLength) : new Uint16Array(buffer.buffer, start, rowLength)
  }
  return {
    buffer,
    row,
    setRow: (index, values) => writeValues(values, row(index)),
    finish: rows => {
      if (!(rows >= 0 && rows <= maxRows)) throw new LayermillError('ROW_INVALID', `${rows} rows in a file for ${maxRows}`)
      buffer.set(headerOf(rows, rowShape, dtype, headerBytes))
      return buffer.subarray(0, headerBytes + rows * rowBytes)
    },
  }
}

const headerOf = (rows: number, rowShape: readonly number[], dtype: FeatureDtype, bytes?: number): Uint8Array =>
  npyHeader(dtype === 'float32' ? '<f4' : '<f2', [rows, ...rowShape], bytes)

/** Facts from the header of a `.npy` file. */
interface NpyHeader {
  readonly dtype: FeatureDtype
  readonly shape: readonly number[]
  readonly dataOffset: number
}

/**
 * Rows of a `.npy` file, of float32 or float16 in C order, any header version. Only the header and the rows asked for are read.
 *
 * @param layer the name to give back
 * @throws LayermillError `FEATURES_INVALID`
 */
export async function readNpy(input: Uint8Array | RangeSource, layer: string, rows: RowRange = {}): Promise<FeatureRows> {
  const source = rangesOf(input)
  const { dtype, shape, dataOffset } = await readHeader(source, layer)
  const [count = 0, ...rowShape] = shape
  const rowBytes = lengthOf(rowShape) * bytesOf(dtype)
  if (source.bytes !== dataOffset + count * rowBytes) {
    throw invalid(layer, `${source.bytes} bytes, expected ${dataOffset + count * rowBytes} for the shape [${shape.join(', ')}]`)
  }
  const start = Math.min(rows.start ?? 0, count)
  const end = Math.max(start, Math.min(rows.end ?? count, count))
  const bytes = await source.range(dataOffset + start * rowBytes, dataOffset + end * rowBytes)
  return { layer, dtype, shape: [end - start, ...rowShape], data: readValues(bytes, dtype) }
}

async function readHeader(source: RangeSource, layer: string): Promise<NpyHeader> {
  const first = Buffer.from(await source.range(0, Math.min(source.bytes, 4096)))
  const places = npyPlaces(first)
  if (places === undefined) throw invalid(layer, 'not a .npy file')
  const { dictionary: start, data: dataOffset } = places
  if (dataOffset > source.bytes || dataOffset > 2 ** 20) throw invalid(layer, 'the header is cut off')
  const whole = dataOffset <= first.length ? first : Buffer.from(await source.range(0, dataOffset))
  const text = whole.toString('latin1', start, dataOffset)
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1]
  const shape = /'shape'\s*:\s*\(([^)]*)\)/.exec(text)?.[1]
  if (descr === undefined || shape === undefined) throw invalid(layer, 'the header names no type or shape')
  if (descr !== '<f4' && descr !== '<f2') throw invalid(layer, `values of type ${descr}, expected <f4 or <f2`)
  if (/'fortran_order'\s*:\s*True/.test(text)) throw invalid(layer, 'values in Fortran order')
  const sizes = shape
    .split(',')
    .map(size => size.trim())
    .filter(size => size !== '')
    .map(Number)
  if (sizes.length === 0 || !sizes.every(size => Number.isSafeInteger(size) && size >= 0)) throw invalid(layer, `the shape (${shape})`)
  return { dtype: descr === '<f4' ? 'float32' : 'float16', shape: sizes, dataOffset }
}

function invalid(layer: string, what: string): LayermillError {
  return new LayermillError('FEATURES_INVALID', `features of ${layer} (npy): ${what}`)
}
