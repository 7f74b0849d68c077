import type { Preparation, Size2 } from '@layermill/models'
import type { Box, FloatImage, RgbImage } from './image.js'
import type { Pacer } from './pacer.js'

interface Normalisation {
  readonly mean: Preparation['mean']
  readonly std: Preparation['std']
}

/** All normalisations of a preparation, their numbers in float32. */
function normalisationsOf(preparation: Preparation): Normalisation[] {
  const rounded = ([first, second, third]: Preparation['mean']): Preparation['mean'] => [
    Math.fround(first),
    Math.fround(second),
    Math.fround(third),
  ]
  return [preparation, ...(preparation.again ?? [])].map(step => ({ mean: rounded(step.mean), std: rounded(step.std) }))
}

/** Rounded to float32 after each step, because that is how Chainer, torchvision, timm and transformers compute it. */
function normalised(level: number, divisor: number, normalisations: readonly Normalisation[], channel: number): number {
  let value = Math.fround(level / divisor)
  for (const { mean, std } of normalisations) value = Math.fround(Math.fround(value - mean[channel]!) / std[channel]!)
  return value
}

/** Every level's value in each channel of the network's input: 256 of the first channel, then of the second and the third. */
export function levelTable(preparation: Preparation): Float32Array {
  const table = new Float32Array(3 * 256)
  const normalisations = normalisationsOf(preparation)
  for (let channel = 0; channel < 3; channel++) {
    for (let level = 0; level < 256; level++) table[channel * 256 + level] = normalised(level, preparation.divisor, normalisations, channel)
  }
  return table
}

export interface TensorTarget {
  readonly data: Float32Array
  readonly offset: number
}

/**
 * Writes a box of a picture as a prepared (3, height, width) at `target.offset`, mirrored left to right when asked. `within`: the height
 * and width of what is written, at the top left; the rest is left as it is.
 */
export async function writeTensor(
  image: RgbImage | FloatImage,
  box: Box,
  mirror: boolean,
  preparation: Preparation,
  target: TensorTarget,
  pacer: Pacer,
  within: Size2 = [box.height, box.width],
): Promise<void> {
  const { data } = image
  const table = data instanceof Uint8Array ? levelTable(preparation) : undefined
  const normalisations = normalisationsOf(preparation)
  const order = preparation.channels === 'rgb' ? ([0, 1, 2] as const) : ([2, 1, 0] as const)
  const plane = within[0] * within[1]
  const step = mirror ? -3 : 3
  for (let y = 0; y < box.height; y++) {
    const row = ((box.top + y) * image.width + box.left + (mirror ? box.width - 1 : 0)) * 3
    for (let channel = 0; channel < 3; channel++) {
      const to = target.offset + channel * plane + y * within[1]
      const from = row + order[channel]!
      if (table !== undefined) {
        writeRow(data, from, step, table.subarray(channel * 256, channel * 256 + 256), target.data, to, box.width)
        continue
      }
      for (let x = 0; x < box.width; x++)
        target.data[to + x] = normalised(data[from + x * step]!, preparation.divisor, normalisations, channel)
    }
    if (pacer.due) await pacer.rest()
  }
}

function writeRow(
  source: ArrayLike<number>,
  from: number,
  step: number,
  table: Float32Array,
  target: Float32Array,
  to: number,
  count: number,
): void {
  for (let x = 0; x < count; x++, from += step) target[to + x] = table[source[from]!]!
}
