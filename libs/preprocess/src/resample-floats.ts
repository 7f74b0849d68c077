import type { FloatResample } from '@layermill/models'
import { type FloatTaps, floatTaps } from './filters.js'
import type { Box, FloatImage, RgbImage } from './image.js'
import { Pacer } from './pacer.js'
import { checkSides } from './resample.js'

/** The sums of one row of pixels for each column of the result. */
function acrossRow(source: Uint8Array | Float32Array, from: number, { starts, counts, weights, width }: FloatTaps, to: Float32Array): void {
  for (let x = 0; x < starts.length; x++) {
    let [red, green, blue] = [0, 0, 0]
    for (let i = 0, at = from + starts[x]! * 3; i < counts[x]!; i++, at += 3) {
      const weight = weights[x * width + i]!
      red += source[at]! * weight
      green += source[at + 1]! * weight
      blue += source[at + 2]! * weight
    }
    to[x * 3] = red
    to[x * 3 + 1] = green
    to[x * 3 + 2] = blue
  }
}

/**
 * The part `region` of a picture's levels resized to `width` x `height` as torchvision resizes a tensor of floats: horizontally, then
 * vertically, with nothing rounded to levels, so values may lie between them and, with a bicubic filter, beyond 0 and 255.
 * @throws LayermillError IMAGE_TOO_LARGE when a side of the input or the region is above 65,535 pixels
 */
export async function resizeFloats(
  image: RgbImage,
  width: number,
  height: number,
  region: Box,
  filter: FloatResample,
): Promise<FloatImage> {
  const pacer = new Pacer()
  checkSides(image.width, image.height)
  checkSides(region.width, region.height)
  const columns = await floatTaps(image.width, width, filter, pacer, region.left, region.width)
  const rows = await floatTaps(image.height, height, filter, pacer, region.top, region.height)
  const stride = region.width * 3
  const data = new Float32Array(stride * region.height)
  // Rows between the passes that are still needed, each made once: both ends of what a row of the result takes only grow.
  const between = new Map<number, Float32Array>()
  const spent: Float32Array[] = []
  for (let y = 0; y < region.height; y++) {
    const [start, count] = [rows.starts[y]!, rows.counts[y]!]
    for (const [row, numbers] of between) {
      if (row >= start) break
      between.delete(row)
      spent.push(numbers)
    }
    const sums = new Float64Array(stride)
    for (let i = 0; i < count; i++) {
      let numbers = between.get(start + i)
      if (numbers === undefined) {
        numbers = spent.pop() ?? new Float32Array(stride)
        acrossRow(image.data, (start + i) * image.width * 3, columns, numbers)
        between.set(start + i, numbers)
        if (pacer.due) await pacer.rest()
      }
      const weight = rows.weights[y * rows.width + i]!
      for (let x = 0; x < stride; x++) sums[x]! += numbers[x]! * weight
    }
    data.set(sums, y * stride)
  }
  return { width: region.width, height: region.height, data }
}
