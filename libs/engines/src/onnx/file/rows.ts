import type { TokenPart } from '@layermill/models'
import { batchOrder, type BatchPlace, float16, imagesInFront, needed, type OnnxModel, takeTokens } from '@layermill/onnx'
import { elementCount, formatShape, LayermillError, sameShape, type Tensor } from '@layermill/core'

/** Largest difference between a batch and its images one by one, as a share of the value's largest: of float32, and where float16 is computed. */
const tolerance = 1e-5
const halfTolerance = 2 ** -8

/** Operators that sum many products. */
const summing = new Set(['Conv', 'ConvTranspose', 'MatMul', 'Gemm'])

/** How far a batch may be off its images one by one: sums that are rounded to float16 differ by more than those of float32. */
export function toleranceOf(model: OnnxModel, values: readonly string[]): number {
  const { graph } = model
  const types = model.values()
  const nodes = [...needed(graph, values)].map(index => graph.nodes[index]!)
  return nodes.some(({ op, outputs }) => summing.has(op) && types.get(outputs[0]!)?.type === float16) ? halfTolerance : tolerance
}

/** One image of a batch, as a batch of one. */
export function rowOf({ shape, data }: Tensor, index: number): Tensor {
  const size = elementCount(shape.slice(1))
  return { shape: [1, ...shape.slice(1)], data: data.subarray(index * size, (index + 1) * size) }
}

/** Most numbers of a batch that is made of one image: 1 GiB of float32. */
const mostRepeated = 2 ** 28

/**
 * An image as often as a file computes at a time, where that is fixed.
 * @throws LayermillError `ONNX_UNSUPPORTED` for a batch of over 1 GiB
 */
export function repeatedImage({ shape, data }: Tensor, count: number): Tensor {
  if (count === 1) return { shape, data }
  if (count * data.length > mostRepeated)
    throw new LayermillError(
      'ONNX_UNSUPPORTED',
      `the file's batch is fixed at ${count} images of ${formatShape(shape.slice(1))}: over 1 GiB`,
      { hint: 'export it again for one image, or for a number of images that is not fixed' },
    )
  const repeated = new Float32Array(count * data.length)
  for (let i = 0; i < count; i++) repeated.set(data, i * data.length)
  return { shape: [count, ...shape.slice(1)], data: repeated }
}

/** The shape of a value without its images: [N, ...] to [...], [N * k, ...] (windows, heads) to [k, ...], [k, N, ...] to [k, ...]. */
function shapeOfOne(shape: readonly number[], axis: number, count: number): readonly number[] {
  const each = shape[axis]! / count
  const own = shape.flatMap((size, i) => (i !== axis ? [size] : each > 1 ? [each] : []))
  return own.length === 0 ? [1] : own
}

/**
 * A value of `count` images with one row for each: [N, ...] as it is, [N * k, ...] (windows, heads) as [N, k, ...], [N] as [N, 1],
 * [k, N, ...] (tokens before images) as [N, k, ...].
 * @param place of the images in the value; in front where nothing is known
 * @throws LayermillError `ONNX_UNSUPPORTED` for a value that has no rows of images
 */
export function rowsOf({ shape, data }: Tensor, count: number, name: string, place: BatchPlace = imagesInFront): Tensor {
  const order = batchOrder(shape, place, count)
  if (order === undefined) {
    throw new LayermillError('ONNX_UNSUPPORTED', `the value ${name} is ${formatShape(shape)} for ${count} images: it has no row for each`)
  }
  const rows = [count, ...shapeOfOne(shape, place.axis, count)]
  const { outer, inner } = order
  if (outer === 1 || count === 1) return { shape: rows, data }
  const moved = new Float32Array(data.length)
  for (let image = 0; image < count; image++) {
    for (let i = 0; i < outer; i++) {
      const from = (i * count + image) * inner
      moved.set(data.subarray(from, from + inner), (image * outer + i) * inner)
    }
  }
  return { shape: rows, data: moved }
}

/** Whether rows of the same image are the same, to rounding. */
function sameRows(rows: Tensor, share: number): boolean {
  const first = rowOf(rows, 0)
  return Array.from({ length: rows.shape[0]! - 1 }, (_, i) => equalRows(rowOf(rows, i + 1), first, share)).every(Boolean)
}

/**
 * The row of an image that was computed `count` times: from where the images are by the value's shape, else from the one dimension whose
 * rows are the same.
 * @throws LayermillError `ONNX_UNSUPPORTED` where none has rows that are the same: other numbers than those of one image
 */
export function rowOfCopies(value: Tensor, count: number, name: string, place: BatchPlace | undefined, share: number): Tensor {
  if (count === 1) return rowsOf(value, 1, name, place)
  const fitting = (tried: BatchPlace): Tensor[] => {
    if (batchOrder(value.shape, tried, count) === undefined) return []
    const rows = rowsOf(value, count, name, tried)
    return sameRows(rows, share) ? [rowOf(rows, 0)] : []
  }
  const [likely] = [place ?? imagesInFront, imagesInFront].flatMap(fitting)
  if (likely !== undefined) return likely
  // The shapes were misread: a single other dimension with equal rows is what holds the images.
  const others = value.shape.flatMap((_, axis) => fitting({ axis, outside: 1 }))
  if (others.length === 1) return others[0]!
  throw new LayermillError(
    'ONNX_UNSUPPORTED',
    `the value ${name} is ${formatShape(value.shape)} for ${count} copies of an image, and no part of it is the same for each`,
    { hint: 'export the network with a batch of one, or take another layer' },
  )
}

/** Rows of one image each as one tensor. */
export function stackRows(rows: readonly Tensor[]): Tensor {
  const first = rows[0]!
  const data = new Float32Array(rows.length * first.data.length)
  for (const [i, row] of rows.entries()) {
    if (!sameShape(row.shape, first.shape)) throw new LayermillError('ONNX_UNSUPPORTED', 'a value has another shape for each image')
    data.set(row.data, i * first.data.length)
  }
  return { shape: [rows.length, ...first.shape.slice(1)], data }
}

/** Whether two values are equal to a share of the second one's largest number; NaN equals NaN. */
export function equalRows(a: Tensor, b: Tensor, share: number = tolerance): boolean {
  // Of an image that a batch has no scores of, nothing is left to compare.
  if (!sameShape(a.shape, b.shape) || a.data.length !== b.data.length) return false
  let largest = 0
  for (const value of b.data) if (Math.abs(value) > largest && Math.abs(value) < Infinity) largest = Math.abs(value)
  const allowed = share * largest
  return a.data.every((value, i) => Math.abs(value - b.data[i]!) <= allowed || Object.is(value, b.data[i]))
}

/** Whether all images of a batch are the same: such a batch says nothing on others. */
export function sameImages({ shape, data }: Tensor): boolean {
  const size = elementCount(shape.slice(1))
  for (let i = size; i < data.length; i++) if (data[i] !== data[i % size]) return false
  return true
}

/** exp(x - max) / sum over the numbers of each row, in double precision. */
export function softmax({ shape, data }: Tensor): Tensor {
  const size = data.length / shape[0]!
  const result = new Float32Array(data.length)
  for (let start = 0; start < data.length; start += size) {
    const row = data.subarray(start, start + size)
    let largest = -Infinity
    for (const value of row) largest = Math.max(largest, value)
    const powers = Float64Array.from(row, value => Math.exp(value - largest))
    const sum = powers.reduce((total, value) => total + value, 0)
    powers.forEach((value, i) => (result[start + i] = value / sum))
  }
  return { shape, data: result }
}

/** A part of each image's tokens: [N, tokens, dim] to [N, dim], or [N, patches, dim]. */
export function tokenRows({ shape, data }: Tensor, part: TokenPart, prefix: number): Tensor {
  const [count, tokens] = shape as [number, number]
  const size = data.length / count
  const rows = Array.from({ length: count }, (_, i) => takeTokens(data.slice(i * size, (i + 1) * size), tokens, part, prefix))
  const each = part === 'cls' || part === 'mean' ? shape.slice(2) : [part === 'patches' ? tokens - prefix : tokens, ...shape.slice(2)]
  return stackRows(rows.map(row => ({ shape: [1, ...each], data: row })))
}
