import { seededRandom } from './random.js'

/** Source that a dropout mask is drawn from: the same for an image and a step wherever it is computed. */
export interface MaskSource {
  readonly seed: number
  /** The image's key. */
  readonly key: string
  /** The step of the whole run, from 0. */
  readonly step: number
}

/**
 * One image's mask for one dropout node: 0 with probability `ratio`, else 1 / (1 - ratio), as float32. Multiplying by it is dropout
 * that keeps the expectation, as Chainer and PyTorch define it.
 */
export function dropoutMask(source: MaskSource, node: string, ratio: number, length: number): Float32Array {
  const mask = new Float32Array(length)
  writeDropoutMask(mask, source, node, ratio)
  return mask
}

/** `dropoutMask` into existing memory: one row of a batch's mask. */
export function writeDropoutMask(mask: Float32Array, source: MaskSource, node: string, ratio: number): void {
  const random = seededRandom(source.seed, 'dropout', source.key, source.step, node)
  const kept = 1 / (1 - ratio)
  for (let i = 0; i < mask.length; i++) mask[i] = random.next() < ratio ? 0 : kept
}
