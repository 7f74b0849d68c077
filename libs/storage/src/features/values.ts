import { fromFloat16, LayermillError, toFloat16 } from '@layermill/core'
import { bytesOf, type FeatureDtype } from './types.js'

/** Writes one row's values into its place, rounding where that holds halves. */
export function writeValues(values: Float32Array, target: Float32Array | Uint16Array): void {
  if (values.length !== target.length) {
    throw new LayermillError('ROW_INVALID', `a row of ${values.length} values, expected ${target.length}`)
  }
  if (target instanceof Float32Array) target.set(values)
  else toFloat16(values, target)
}

/** Little-endian values as float32; a view of the bytes where they are float32 and lie at a multiple of four, else a copy. */
export function readValues(bytes: Uint8Array, dtype: FeatureDtype): Float32Array {
  const width = bytesOf(dtype)
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
  const length = aligned.byteLength / width
  if (dtype === 'float32') return new Float32Array(aligned.buffer, aligned.byteOffset, length)
  return fromFloat16(new Uint16Array(aligned.buffer, aligned.byteOffset, length))
}
