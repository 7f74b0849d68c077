import type { Tensor } from '@layermill/core'
import type { Extractor } from '@layermill/engines'

/** A window is a seventh of the image's side, moved by half of it. */
const partsPerSide = 7

/** First cells of windows along a side: evenly spread, the last one at the end. */
function starts(side: number, window: number): number[] {
  const count = Math.max(1, Math.ceil((side - window) / Math.max(1, window / 2)) + 1)
  return Array.from({ length: count }, (_, i) => Math.round((i * (side - window)) / Math.max(1, count - 1)))
}

export interface OcclusionOptions {
  /** Session of the probabilities only. */
  readonly extractor: Extractor
  readonly batchSize: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Occlusion (Zeiler and Fergus 2014): how much a class's probability falls where a window is covered by the mean colour, averaged for
 * each pixel over the windows that cover it. Negative where covering helps.
 * @param image prepared, [3, H, W]
 * @returns [H, W]
 */
export async function occlusionMap(
  image: Tensor,
  label: number,
  { extractor, batchSize, signal }: OcclusionOptions,
): Promise<{ map: Float64Array; probabilities: Float32Array }> {
  const [, height, width] = image.shape as [number, number, number]
  const plane = height * width
  const [tall, wide] = [Math.max(1, Math.ceil(height / partsPerSide)), Math.max(1, Math.ceil(width / partsPerSide))]
  const windows = starts(height, tall).flatMap(top => starts(width, wide).map(left => ({ top, left })))
  const covered = ({ top, left }: { top: number; left: number }, data: Float32Array): void => {
    for (let channel = 0; channel < 3; channel++) {
      for (let y = top; y < top + tall; y++) {
        const start = channel * plane + y * width + left
        // 0 is the mean colour of a prepared image.
        data.fill(0, start, start + wide)
      }
    }
  }
  const layer = extractor.layers[0]!
  const compute = async (images: readonly Float32Array[]): Promise<Float32Array[]> => {
    const data = new Float32Array(images.length * 3 * plane)
    for (const [i, values] of images.entries()) data.set(values, i * 3 * plane)
    const scores = (await extractor.run({ shape: [images.length, 3, height, width], data })).get(layer)!
    const classes = scores.data.length / images.length
    return images.map((_, i) => scores.data.subarray(i * classes, (i + 1) * classes))
  }
  const [whole] = await compute([image.data])
  const [drops, counts] = [new Float64Array(plane), new Float64Array(plane)]
  for (let start = 0; start < windows.length; start += batchSize) {
    signal?.throwIfAborted()
    const some = windows.slice(start, start + batchSize)
    const found = await compute(
      some.map(window => {
        const data = image.data.slice()
        covered(window, data)
        return data
      }),
    )
    for (const [i, { top, left }] of some.entries()) {
      const drop = whole![label]! - found[i]![label]!
      for (let y = top; y < top + tall; y++) {
        for (let x = left; x < left + wide; x++) {
          drops[y * width + x]! += drop
          counts[y * width + x]! += 1
        }
      }
    }
  }
  return { map: drops.map((sum, i) => sum / counts[i]!), probabilities: whole! }
}
