import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { LayermillError } from '@layermill/core'
import { seededRandom } from './random.js'

export interface BootstrapOptions {
  /** Resamples drawn. Default 10,000. */
  readonly resamples?: number
  /** One-sided confidence of the bound, in (0, 1). Default 0.95. */
  readonly confidence?: number
  /** The same seed and answers give the same numbers. Default 0. */
  readonly seed?: number
}

export interface BootstrapResult {
  /** Accuracy of the challenger less that of the champion, -1 to 1. */
  readonly difference: number
  /** The true difference is above it with the given confidence. */
  readonly lower: number
  readonly confidence: number
  readonly resamples: number
  readonly seed: number
}

/** Draws between two breaks for whatever else the process has to do. */
const drawsAtOnce = 2_000_000

/**
 * The paired bootstrap over images (percentile interval): both models saw the same images, so an image is drawn with both of its answers.
 *
 * @param champion whether each image was recognised, or a score from 0 to 1, by image
 * @param challenger the same images in the same order
 * @throws LayermillError `EVALUATION_INVALID` for no images, other lengths, or options out of their range
 */
export async function pairedBootstrap(
  champion: readonly (boolean | number)[],
  challenger: readonly (boolean | number)[],
  { resamples = 10_000, confidence = 0.95, seed = 0 }: BootstrapOptions = {},
): Promise<BootstrapResult> {
  const images = champion.length
  if (images === 0 || challenger.length !== images) {
    throw new LayermillError(
      'EVALUATION_INVALID',
      `answers to ${images} and ${challenger.length} images; expected as many of both, and at least one`,
    )
  }
  if (!Number.isInteger(resamples) || resamples < 1 || !(confidence > 0 && confidence < 1)) {
    throw new LayermillError(
      'EVALUATION_INVALID',
      `${resamples} resamples at a confidence of ${confidence}; expected at least 1 at more than 0 and less than 1`,
    )
  }
  const gains = Float64Array.from(champion, (score, i) => Number(challenger[i]!) - Number(score))
  const random = seededRandom(seed, 'bootstrap')
  const sums = new Float64Array(resamples)
  const breakAfter = Math.max(1, Math.floor(drawsAtOnce / images))
  for (let resample = 0; resample < resamples; resample++) {
    let sum = 0
    for (let draw = 0; draw < images; draw++) sum += gains[random.integer(images)]!
    sums[resample] = sum
    if (resample % breakAfter === breakAfter - 1) await yieldToOthers()
  }
  sums.sort()
  // Rounded first: 1 - 0.95 is a little more than 0.05.
  const rank = Math.floor(Math.round((1 - confidence) * resamples * 1e6) / 1e6)
  return {
    difference: gains.reduce((sum, gain) => sum + gain, 0) / images,
    lower: sums[Math.min(rank, resamples - 1)]! / images,
    confidence,
    resamples,
    seed,
  }
}
