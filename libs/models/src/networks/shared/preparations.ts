import type { Preparation } from '../../graph.js'

/** Images as Chainer's `prepare` makes them: resized to the input, BGR, less the means that a network's authors published. */
export const caffePreparation = (mean: readonly [number, number, number]): Preparation => ({
  channels: 'bgr',
  divisor: 1,
  mean,
  std: [1, 1, 1],
  resize: { kind: 'exact' },
  resample: 'bicubic',
})

/** VGG's means, which the `preprocess_input` of keras.applications in mode "caffe" has for its ResNets too. */
export const kerasPreparation = caffePreparation([103.939, 116.779, 123.68])

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
