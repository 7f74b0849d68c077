import type { Box, RgbImage } from './image.js'
import { Random } from '@layermill/core'

/** Variations of a picture. Those left out are not made. */
export interface AugmentOptions {
  /** Mirror left to right with this probability; `true` is 0.5. */
  readonly flip?: boolean | number
  /**
   * Cut a random part before resizing: its share of the area (`scale`, default 0.35 to 1) and its aspect (`ratio`, default 3/4 to 4/3).
   * Training from scratch usually starts at a share of 0.08; a fine-tuned network sees each picture few times and learns
   * more steadily when the object stays in it.
   */
  readonly crop?: boolean | { readonly scale?: readonly [number, number]; readonly ratio?: readonly [number, number] }
  /** Change each by a factor of up to 1 +- this much; `true` is 0.2 each. */
  readonly color?: boolean | { readonly brightness?: number; readonly contrast?: number; readonly saturation?: number }
}

/** Inputs that an augmentation depends on. There are no others, so that any worker at any time makes the same picture. */
export interface AugmentKey {
  readonly seed: number | string
  /** The picture's key in its dataset. */
  readonly key: string
  readonly epoch: number
}

export type ColorKind = 'brightness' | 'contrast' | 'saturation'

/** One drawn augmentation. */
export interface Augmentation {
  /** The part to cut from the decoded picture, before resizing; undefined: no random crop. */
  readonly box: Box | undefined
  readonly flip: boolean
  /** In the order to apply them. */
  readonly colors: readonly { readonly kind: ColorKind; readonly factor: number }[]
}

const defaultScale = [0.35, 1] as const
const defaultRatio = [3 / 4, 4 / 3] as const
const defaultColor = 0.2
const cropTries = 10

/**
 * Draws the augmentation of a picture of `width` x `height`. Crop, flip and colour have random numbers of their own: switching
 * one on does not change the others.
 */
export function drawAugmentation(options: AugmentOptions, width: number, height: number, key: AugmentKey): Augmentation {
  const random = (what: string): Random => new Random(JSON.stringify([what, String(key.seed), key.key, key.epoch]))
  const flip = options.flip === true ? 0.5 : options.flip === false ? 0 : (options.flip ?? 0)
  return {
    box:
      options.crop === undefined || options.crop === false
        ? undefined
        : drawBox(options.crop === true ? {} : options.crop, width, height, random('crop')),
    flip: random('flip').next() < flip,
    colors: drawColors(options.color ?? false, random('color')),
  }
}

/** As torchvision's RandomResizedCrop draws it: ten tries, then the largest centred part within the aspects allowed. */
function drawBox(options: Exclude<AugmentOptions['crop'], boolean | undefined>, width: number, height: number, random: Random): Box {
  const scale = options.scale ?? defaultScale
  const ratio = options.ratio ?? defaultRatio
  for (let attempt = 0; attempt < cropTries; attempt++) {
    const area = width * height * random.between(scale[0], scale[1])
    const aspect = Math.exp(random.between(Math.log(ratio[0]), Math.log(ratio[1])))
    const w = Math.round(Math.sqrt(area * aspect))
    const h = Math.round(Math.sqrt(area / aspect))
    if (w >= 1 && w <= width && h >= 1 && h <= height) {
      return { top: random.below(height - h + 1), left: random.below(width - w + 1), height: h, width: w }
    }
  }
  const aspect = Math.min(Math.max(width / height, ratio[0]), ratio[1])
  const w = Math.max(1, Math.min(width, Math.round(height * aspect)))
  const h = Math.max(1, Math.min(height, Math.round(width / aspect)))
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), height: h, width: w }
}

function drawColors(options: NonNullable<AugmentOptions['color']>, random: Random): Augmentation['colors'] {
  if (options === false) return []
  const strengths = options === true ? { brightness: defaultColor, contrast: defaultColor, saturation: defaultColor } : options
  const kinds: ColorKind[] = ['brightness', 'contrast', 'saturation']
  const colors = kinds.flatMap(kind => {
    const strength = strengths[kind] ?? 0
    const factor = random.between(Math.max(0, 1 - strength), 1 + strength)
    return strength > 0 ? [{ kind, factor }] : []
  })
  for (let i = colors.length - 1; i > 0; i--) {
    const other = random.below(i + 1)
    const moved = colors[i]!
    colors[i] = colors[other]!
    colors[other] = moved
  }
  return colors
}

/** Applies the colour changes, in their order, each rounded to 8 bits. Returns a new picture, or the same without changes. */
export function applyColors(image: RgbImage, colors: Augmentation['colors']): RgbImage {
  if (colors.length === 0) return image
  const data = image.data.slice()
  for (const { kind, factor } of colors) {
    if (kind === 'saturation') saturate(data, factor)
    else blendWith(data, kind === 'brightness' ? 0 : Math.round(meanLuma(data)), factor)
  }
  return { ...image, data }
}

/** ITU-R 601 luma in 16-bit fixed point, rounded. */
function luma(data: Uint8Array, at: number): number {
  return (data[at]! * 19_595 + data[at + 1]! * 38_470 + data[at + 2]! * 7_471 + 0x8000) >> 16
}

function meanLuma(data: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < data.length; i += 3) sum += luma(data, i)
  return sum / (data.length / 3)
}

const clip = (value: number): number => Math.min(255, Math.max(0, Math.round(value)))

function blendWith(data: Uint8Array, level: number, factor: number): void {
  const table = Uint8Array.from({ length: 256 }, (_, value) => clip(level + (value - level) * factor))
  for (let i = 0; i < data.length; i++) data[i] = table[data[i]!]!
}

function saturate(data: Uint8Array, factor: number): void {
  for (let i = 0; i < data.length; i += 3) {
    const grey = luma(data, i)
    for (let channel = i; channel < i + 3; channel++) data[channel] = clip(grey + (data[channel]! - grey) * factor)
  }
}

/** Mirrored left to right. */
export function flipImage(image: RgbImage): RgbImage {
  const { width, height } = image
  const data = new Uint8Array(image.data.length)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3
      const to = (y * width + width - 1 - x) * 3
      data[to] = image.data[from]!
      data[to + 1] = image.data[from + 1]!
      data[to + 2] = image.data[from + 2]!
    }
  }
  return { width, height, data }
}
