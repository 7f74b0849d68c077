import { LayermillError, type Tensor } from '@layermill/core'

/** Softmax cross entropy, as Chainer defines it: a mean over samples, each weighted by its class. */
export interface LossSpec {
  /** One factor per class; default 1. */
  readonly classWeights?: readonly number[]
  /** Share of the target spread evenly over all classes: 0 <= smoothing < 1. Default 0. */
  readonly labelSmoothing?: number
}

/**
 * Targets that softmax is compared to: row i holds sample i's target distribution times its weight (class weight times `sampleWeights`).
 * @throws LayermillError `LABEL_INVALID`, `LOSS_INVALID`.
 */
export function lossTargets(labels: ArrayLike<number>, classes: number, spec: LossSpec = {}, sampleWeights?: ArrayLike<number>): Tensor {
  const { classWeights, labelSmoothing = 0 } = spec
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    throw new LayermillError('LOSS_INVALID', `label smoothing ${labelSmoothing}; expected 0 <= x < 1`)
  if (classWeights !== undefined && classWeights.length !== classes) {
    throw new LayermillError('LOSS_INVALID', `${classWeights.length} class weights for ${classes} classes`)
  }
  const data = new Float32Array(labels.length * classes)
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new LayermillError('LABEL_INVALID', `label ${label} of sample ${row}; expected 0 to ${classes - 1}`)
    }
    const weight = (classWeights?.[label] ?? 1) * (sampleWeights?.[row] ?? 1)
    data.fill((weight * labelSmoothing) / classes, row * classes, (row + 1) * classes)
    data[row * classes + label] = weight * (1 - labelSmoothing + labelSmoothing / classes)
  }
  return { shape: [labels.length, classes], data }
}

/** Class weights that make every class count the same in all: samples / (classes * samples of the class); 0 for an empty class. */
export function balancedClassWeights(labels: ArrayLike<number>, classes: number): number[] {
  const counts = Array.from({ length: classes }, () => 0)
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]! += 1
  return counts.map(count => (count === 0 ? 0 : labels.length / (classes * count)))
}
