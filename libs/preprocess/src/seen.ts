import type { Preparation, Size2 } from '@layermill/models'
import type { RgbImage } from './image.js'

/**
 * The picture that a network sees: a prepared (3, height, width) as pixels again, what it was before it was normalised.
 * @param tensor values of one picture
 */
export function seenPicture(tensor: Float32Array, [height, width]: Size2, preparation: Preparation): RgbImage {
  const plane = height * width
  const steps = [preparation, ...(preparation.again ?? [])].toReversed()
  const order = preparation.channels === 'rgb' ? ([0, 1, 2] as const) : ([2, 1, 0] as const)
  const data = new Uint8ClampedArray(3 * plane)
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < plane; i++) {
      let value = tensor[channel * plane + i]!
      for (const { mean, std } of steps) value = value * std[channel]! + mean[channel]!
      data[3 * i + order[channel]!] = value * preparation.divisor
    }
  }
  return { width, height, data: new Uint8Array(data.buffer) }
}

type Colour = readonly [red: number, green: number, blue: number]

/** Colours of evidence for a class, from little to much, and of evidence against it. */
const warm: readonly Colour[] = [
  [120, 0, 90],
  [225, 60, 30],
  [255, 225, 60],
]
const cold: readonly Colour[] = [
  [30, 30, 120],
  [30, 110, 230],
  [90, 225, 255],
]

/** The colour at a share from 0 to 1 of a scale. */
function colourAt(scale: readonly Colour[], share: number): Colour {
  const at = share * (scale.length - 1)
  const low = Math.min(scale.length - 2, Math.floor(at))
  const [from, to] = [scale[low]!, scale[low + 1]!]
  const mix = (channel: 0 | 1 | 2): number => from[channel] + (to[channel] - from[channel]) * (at - low)
  return [mix(0), mix(1), mix(2)]
}

/**
 * A picture with a map over it: the more a place says, the stronger its colour, up to three quarters; warm colours speak for, cold ones
 * against. Places that say nothing show the picture.
 * @param map values from -1 to 1 for each pixel
 */
export function overlayMap({ width, height, data }: RgbImage, map: ArrayLike<number>): RgbImage {
  const result = Uint8ClampedArray.from(data)
  for (let i = 0; i < width * height; i++) {
    const share = Math.min(1, Math.abs(map[i]!))
    if (share === 0) continue
    const colour = colourAt(map[i]! > 0 ? warm : cold, share)
    const opacity = 0.75 * Math.sqrt(share)
    for (let channel = 0; channel < 3; channel++) {
      result[3 * i + channel] = data[3 * i + channel]! * (1 - opacity) + colour[channel]! * opacity
    }
  }
  return { width, height, data: new Uint8Array(result.buffer) }
}

/** A picture as a PNG file. */
export async function encodePng({ width, height, data }: RgbImage): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp')
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer()
}
