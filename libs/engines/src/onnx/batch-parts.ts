import type { Tensor } from '@layermill/core'
import { buffersOf } from '../thread/transfer.js'
import type { Slice } from './slices.js'
import type { StepParams } from './trainer-protocol.js'

/** Data that belong to images: labels, targets and masks. */
export type ImageData = Pick<StepParams, 'labels' | 'targets' | 'masks'>

/** A copy of some images' rows. */
export function rowsOf({ shape: [count, ...shape], data }: Tensor, { start, end }: Slice): Tensor {
  const size = data.length / count!
  return { shape: [end - start, ...shape], data: data.slice(start * size, end * size) }
}

/** Copies of each slice's part. */
export function cutData({ labels, targets, masks }: ImageData, slices: readonly Slice[]): ImageData[] {
  return slices.map(slice => ({
    labels: labels.slice(slice.start, slice.end),
    targets: rowsOf(targets, slice),
    masks: new Map([...masks].map(([node, mask]) => [node, rowsOf(mask, slice)])),
  }))
}

/**
 * A value that holds `tensors`, or some of them, with their memory, which the caller's then have no more. Memory that is shared stays so.
 */
export function takeOver<Value>(value: Value, tensors: Iterable<Pick<Tensor, 'data'>>): Value {
  return structuredClone(value, { transfer: buffersOf(tensors) })
}
