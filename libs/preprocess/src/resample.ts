import { LayermillError } from '@layermill/core'
import { computeTaps, levelFilter, type Taps } from './filters.js'
import { type Box, cropImage, type Resample, type RgbImage } from './image.js'
import { Pacer } from './pacer.js'
import { acquireKernels, type Kernels, releaseKernels } from './resample-kernels.js'

/** Longest side that is resampled (JPEG's longest): the tables of coefficients grow with it. */
const maxSide = 65_535
/** Bytes of input handed to one horizontal pass, and of output it may make: about a millisecond of work. */
const bandBytes = 1 << 20
/** Bytes of the picture between the passes that are kept at a time. */
const windowBytes = 1 << 23

/**
 * Resizes to `width` x `height` without keeping the aspect, as Pillow's `Image.resize(size, filter)` does, bit for bit: two passes,
 * horizontal first, each rounded to 8 bits; the filter widens when shrinking; an axis that keeps its length is not touched.
 *
 * Long work is done in slices, so the event loop goes on. The result never shares memory with the input.
 * @throws LayermillError IMAGE_TOO_LARGE when a side of the input or the result is above 65,535 pixels
 */
export async function resizeImage(image: RgbImage, width: number, height: number, filter: Resample = 'bicubic'): Promise<RgbImage> {
  return await resizeRegion(image, width, height, { top: 0, left: 0, height, width }, filter)
}

/**
 * The part `region` of what `resizeImage` would give, the same to the bit, without computing the rest. The whole may be of any size.
 * Filters of floats give the levels that torchvision has for tensors of levels.
 * @throws LayermillError IMAGE_TOO_LARGE when a side of the input or the region is above 65,535 pixels
 */
export async function resizeRegion(
  image: RgbImage,
  width: number,
  height: number,
  region: Box,
  asked: Resample = 'bicubic',
): Promise<RgbImage> {
  const filter = levelFilter(asked)
  checkSides(image.width, image.height)
  checkSides(region.width, region.height)
  if (region.top < 0 || region.left < 0 || region.top + region.height > height || region.left + region.width > width) {
    throw new RangeError(`${region.width}x${region.height} at ${region.left},${region.top} lies outside of ${width}x${height} pixels`)
  }
  if (width === image.width && height === image.height) {
    const part = cropImage(image, region)
    return part === image ? { ...image, data: image.data.slice() } : part
  }
  const pacer = new Pacer()
  if (filter === 'nearest') return await resizeNearest(image, width, height, region, pacer, nearestIndices)
  if (filter === 'torchvision-nearest') return await resizeNearest(image, width, height, region, pacer, singleIndices)
  const columns = width === image.width ? undefined : await computeTaps(image.width, width, filter, pacer, region.left, region.width)
  const rows = height === image.height ? undefined : await computeTaps(image.height, height, filter, pacer, region.top, region.height)
  const kernels = acquireKernels()
  try {
    return await new Resampling(image, region, columns, rows, kernels).run(pacer)
  } finally {
    releaseKernels(kernels)
  }
}

/** @throws LayermillError IMAGE_TOO_LARGE */
export function checkSides(width: number, height: number): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new RangeError(`a picture cannot be ${width}x${height} pixels`)
  }
  if (Math.max(width, height) > maxSide) {
    throw new LayermillError(
      'IMAGE_TOO_LARGE',
      `a picture of ${width}x${height} pixels has a side above ${maxSide}, the longest that is resized`,
    )
  }
}

/** The input pixel whose area holds the centre of each output pixel. Steps are added up, not multiplied, as Pillow does. */
function nearestIndices(inputs: number, outputs: number, first: number, count: number): Int32Array {
  const step = inputs / outputs
  const indices = new Int32Array(count)
  let position = step * 0.5
  for (let i = 0; i < first + count; i++) {
    if (i >= first) indices[i - first] = Math.min(inputs - 1, Math.trunc(position))
    position += step
  }
  return indices
}

/** The input pixel whose area holds the centre of each output pixel, in single precision, as torchvision computes it for a tensor. */
function singleIndices(inputs: number, outputs: number, first: number, count: number): Int32Array {
  const step = Math.fround(inputs / outputs)
  return Int32Array.from({ length: count }, (_, i) => Math.min(inputs - 1, Math.floor(Math.fround((first + i + 0.5) * step))))
}

async function resizeNearest(
  image: RgbImage,
  fullWidth: number,
  fullHeight: number,
  region: Box,
  pacer: Pacer,
  indicesOf: typeof nearestIndices,
): Promise<RgbImage> {
  const { width, height } = region
  const columns = indicesOf(image.width, fullWidth, region.left, width)
  const rows = indicesOf(image.height, fullHeight, region.top, height)
  const data = new Uint8Array(width * height * 3)
  const source = image.data
  for (let y = 0, to = 0; y < height; y++) {
    const row = rows[y]! * image.width
    for (let x = 0; x < width; x++, to += 3) {
      const from = (row + columns[x]!) * 3
      data[to] = source[from]!
      data[to + 1] = source[from + 1]!
      data[to + 2] = source[from + 2]!
    }
    if (pacer.due) await pacer.rest()
  }
  return { width, height, data }
}

/** Coefficients of two taps as the kernels want them (wasm/resample.wat): high and low parts of 16 bits. */
function packTaps(taps: Taps): Int16Array {
  const packed = new Int16Array(taps.coefficients.length * 2)
  for (let i = 0, to = 0; i < taps.coefficients.length; i += 2, to += 4) {
    const first = taps.coefficients[i]!
    const second = taps.coefficients[i + 1]!
    packed[to] = first >> 15
    packed[to + 1] = second >> 15
    packed[to + 2] = first & 0x7fff
    packed[to + 3] = second & 0x7fff
  }
  return packed
}

/** One picture on its way through the kernels: what lies where in their memory, and the passes over it. */
class Resampling {
  private readonly width: number
  private readonly height: number
  private readonly output: Uint8Array
  private readonly stride: number
  private spans = 0
  private columnCoefficients = 0
  private rowCoefficients = 0
  private band = 0
  private target = 0
  private window = 0

  constructor(
    private readonly image: RgbImage,
    private readonly region: Box,
    private readonly columns: Taps | undefined,
    private readonly rows: Taps | undefined,
    private readonly kernels: Kernels,
  ) {
    const { width, height } = region
    this.width = width
    this.height = height
    this.output = new Uint8Array(width * height * 3)
    this.stride = Math.ceil((width * 3) / 16) * 16
    this.reserve()
  }

  async run(pacer: Pacer): Promise<RgbImage> {
    for (let first = 0; first < this.height;) {
      const end = this.blockEnd(first)
      const [top, bottom] = this.inputRows(first, end)
      await this.fillWindow(top, bottom, pacer)
      if (this.rows === undefined) {
        this.copyOut(this.window, first, end - first)
      } else {
        for (let row = first; row < end; row++) {
          this.makeRow(this.rows, row, top)
          if (pacer.due) await pacer.rest()
        }
      }
      first = end
    }
    return { width: this.width, height: this.height, data: this.output }
  }

  /** Output rows from `first` whose inputs fit the window; at least one. */
  private blockEnd(first: number): number {
    let end = first + 1
    while (end < this.height) {
      const [top, bottom] = this.inputRows(first, end + 1)
      if ((bottom - top) * this.stride > windowBytes) break
      end++
    }
    return end
  }

  /** Input rows that output rows `first` to `end` (exclusive) are made of. */
  private inputRows(first: number, end: number): [top: number, bottom: number] {
    if (this.rows === undefined) return [this.region.top + first, this.region.top + end]
    return [this.rows.starts[first]!, this.rows.starts[end - 1]! + this.rows.counts[end - 1]!]
  }

  private reserve(): void {
    const { columns, rows, image } = this
    const tallest = rows === undefined ? 1 : rows.counts.reduce((most, count) => Math.max(most, count), 1)
    const windowRows = Math.max(tallest, Math.min(image.height, Math.floor(windowBytes / this.stride)))
    let end = 0
    const take = (bytes: number): number => {
      const at = end
      // The kernels read and write a few bytes behind the last row.
      end = Math.ceil((end + bytes + 16) / 16) * 16
      return at
    }
    const columnCoefficients = columns && packTaps(columns)
    const rowCoefficients = rows && packTaps(rows)
    this.spans = take(this.width * 8)
    this.columnCoefficients = take(columnCoefficients?.byteLength ?? 0)
    this.rowCoefficients = take(rowCoefficients?.byteLength ?? 0)
    this.band = take(columns === undefined ? 0 : this.bandRows() * image.width * 3)
    this.target = take(this.stride)
    this.window = take((windowRows + 1) * this.stride)
    this.kernels.ensure(end)
    const { bytes } = this.kernels
    if (columnCoefficients !== undefined && columns !== undefined) {
      bytes.set(new Uint8Array(columnCoefficients.buffer), this.columnCoefficients)
      const spans = new Int32Array(this.width * 2)
      for (let x = 0; x < this.width; x++) {
        spans[x * 2] = columns.starts[x]! * 3
        spans[x * 2 + 1] = (columns.counts[x]! + 1) >> 1
      }
      bytes.set(new Uint8Array(spans.buffer), this.spans)
    }
    if (rowCoefficients !== undefined) bytes.set(new Uint8Array(rowCoefficients.buffer), this.rowCoefficients)
  }

  private bandRows(): number {
    return Math.max(1, Math.floor(bandBytes / (Math.max(this.image.width, this.width) * 3)))
  }

  /** Brings input rows `top` to `bottom` (exclusive) to the output's width, into the window. */
  private async fillWindow(top: number, bottom: number, pacer: Pacer): Promise<void> {
    const { bytes } = this.kernels
    const inputStride = this.image.width * 3
    const bandRows = this.bandRows()
    for (let y = top; y < bottom; y += bandRows) {
      const count = Math.min(bandRows, bottom - y)
      const to = this.window + (y - top) * this.stride
      const source = this.image.data.subarray(y * inputStride, (y + count) * inputStride)
      if (this.columns === undefined) {
        this.copyRows(source, count, to)
      } else {
        bytes.set(source, this.band)
        this.kernels.horizontal(
          this.band,
          inputStride,
          count,
          to,
          this.stride,
          this.width,
          this.spans,
          this.columnCoefficients,
          this.columns.width * 4,
        )
      }
      if (pacer.due) await pacer.rest()
    }
  }

  /** Rows that keep their width, or the region's columns of them. */
  private copyRows(source: Uint8Array, count: number, to: number): void {
    const { bytes } = this.kernels
    const inputStride = this.image.width * 3
    if (this.stride === inputStride) return bytes.set(source, to)
    for (let i = 0; i < count; i++) {
      const from = i * inputStride + this.region.left * 3
      bytes.set(source.subarray(from, from + this.width * 3), to + i * this.stride)
    }
  }

  private makeRow(rows: Taps, row: number, top: number): void {
    const source = this.window + (rows.starts[row]! - top) * this.stride
    this.kernels.vertical(source, this.stride, this.target, this.rowCoefficients + row * rows.width * 4, (rows.counts[row]! + 1) >> 1)
    this.copyOut(this.target, row, 1)
  }

  private copyOut(from: number, row: number, count: number): void {
    const length = this.width * 3
    for (let i = 0; i < count; i++) {
      const at = from + i * this.stride
      this.output.set(this.kernels.bytes.subarray(at, at + length), (row + i) * length)
    }
  }
}
