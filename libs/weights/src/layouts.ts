import { elementCount, sameShape } from '@layermill/core'
import type { Layout } from '@layermill/models'

/** The shape that a tensor with canonical shape `shape` has in a layout. For `flatten` the inputs are one axis of any split. */
export function shapeInLayout(layout: Layout, shape: readonly number[]): readonly number[] {
  switch (layout) {
    case 'same':
    case 'flatten':
      return shape
    case 'hwio':
      return [shape[2]!, shape[3]!, shape[1]!, shape[0]!]
    case 'io':
    case 'hwcIo':
      return [shape[1]!, shape[0]!]
  }
}

function withoutLeadingOnes(shape: readonly number[], rank: number): readonly number[] {
  let start = 0
  while (shape.length - start > rank && shape[start] === 1) start++
  return shape.slice(start)
}

/** Whether a tensor of shape `found` can be one of canonical shape `shape` in this layout. */
export function fitsLayout(layout: Layout, found: readonly number[], shape: readonly number[]): boolean {
  if (layout === 'flatten') return found[0] === shape[0] && found.length >= 2 && elementCount(found) === elementCount(shape)
  return sameShape(withoutLeadingOnes(found, shape.length), shapeInLayout(layout, shape))
}

/** [rows, columns] to [columns, rows], in square tiles so that neither side strides through the memory. */
export function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  const tile = 32
  const result = new Float32Array(data.length)
  for (let r0 = 0; r0 < rows; r0 += tile) {
    const r1 = Math.min(rows, r0 + tile)
    for (let c0 = 0; c0 < columns; c0 += tile) {
      const c1 = Math.min(columns, c0 + tile)
      for (let r = r0; r < r1; r++) {
        for (let c = c0; c < c1; c++) result[c * rows + r] = data[r * columns + c]!
      }
    }
  }
  return result
}

/** [kh, kw, in, out] to [out, in, kh, kw]. */
function fromHwio(data: Float32Array, [out, channels, height, width]: readonly number[]): Float32Array {
  const positions = height! * width!
  return reorderPositions(transpose(data, positions * channels!, out!), out!, positions, channels!)
}

/** [out, positions, channels] to [out, channels, positions], in place. */
function reorderPositions(data: Float32Array, out: number, positions: number, channels: number): Float32Array {
  if (positions === 1) return data
  const size = positions * channels
  const row = new Float32Array(size)
  for (let o = 0; o < out; o++) {
    row.set(data.subarray(o * size, (o + 1) * size))
    let target = o * size
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < positions; p++) data[target++] = row[p * channels + c]!
    }
  }
  return data
}

/**
 * A tensor's data in canonical order.
 * @param positions How many places (height x width) the inputs of an `hwcIo` matrix stand for.
 */
export function toCanonical(layout: Layout, data: Float32Array, shape: readonly number[], positions: number): Float32Array {
  switch (layout) {
    case 'same':
    case 'flatten':
      return data
    case 'hwio':
      return fromHwio(data, shape)
    case 'io':
      return transpose(data, shape[1]!, shape[0]!)
    case 'hwcIo':
      return reorderPositions(transpose(data, shape[1]!, shape[0]!), shape[0]!, positions, shape[1]! / positions)
  }
}
