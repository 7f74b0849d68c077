import type { Size2 } from '@layermill/models'

/** Scales at which libjpeg decodes besides 1: each side becomes the scale's share, rounded up. */
export const draftScales = [8, 4, 2] as const
export type DraftScale = 1 | 2 | 4 | 8

/**
 * The scale of `--decode draft`: the largest at which both sides of a picture stay at least twice the size needed, as Pillow's
 * `Image.draft('RGB', (2 * width, 2 * height))` chooses it.
 * @param picture height and width as stored, or of the part that is resized
 * @param needed height and width that it is resized to
 */
export function draftScale(picture: Size2, needed: Size2): DraftScale {
  const room = Math.min(Math.floor(picture[0] / (2 * needed[0])), Math.floor(picture[1] / (2 * needed[1])))
  return draftScales.find(scale => scale <= room) ?? 1
}

/** A side at a scale. */
export const atScale = (side: number, scale: DraftScale): number => Math.ceil(side / scale)
