import type { Preparation } from '../graph.js'

const caffe = (mean: readonly [number, number, number]): Preparation => ({
  channels: 'bgr',
  divisor: 1,
  mean,
  std: [1, 1, 1],
  resize: { kind: 'exact' },
  resample: 'bicubic',
})

/** Pixel means in BGR, as the `prepare` functions of Chainer's vision models subtract them (weights-facts: VGG, MSRA and BVLC). */
export const vggPreparation = caffe([103.939, 116.779, 123.68])
export const resnetPreparation = caffe([103.063, 115.903, 123.152])
export const googlenetPreparation = caffe([104, 117, 123])

/** torchvision's ImageClassification preset: short side 256, centre crop 224, ImageNet's mean and standard deviation. */
export const torchvisionPreparation: Preparation = {
  channels: 'rgb',
  divisor: 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize: { kind: 'crop', shortSide: 256 },
  resample: 'bilinear',
}

/** torchvision's preset of its V2 weights (`IMAGENET1K_V2`): the short side is 232. */
export const torchvisionV2Preparation: Preparation = { ...torchvisionPreparation, resize: { kind: 'crop', shortSide: 232 } }

/**
 * torchvision's GoogLeNet was trained on pixels in [-1, 1]: its `transform_input`, on with the published weights, turns the usual
 * normalisation back into (x / 255 - 0.5) / 0.5. Done here, so that the graph starts at the network's own input.
 */
export const googlenetTorchvisionPreparation: Preparation = { ...torchvisionPreparation, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }
