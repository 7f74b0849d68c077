import { getNetwork } from '@layermill/models'
import { expect, it } from 'vitest'
import { workingBytesPerImage } from './working-memory.js'

it('counts the values that are there at once', () => {
  const vgg16 = getNetwork('vgg16')
  const map = (channels: number, side: number): number => channels * side * side
  // The image, conv1_1 and its ReLU are not there with conv1_2; two maps of 64x224x224 are the most.
  const most = 2 * map(64, 224)
  expect(workingBytesPerImage(vgg16, ['pool5'], [224, 224])).toBe(4 * (most + map(3, 224) + map(512, 7)))
  expect(workingBytesPerImage(vgg16, ['pool5'], [32, 32])).toBe(4 * (2 * map(64, 32) + map(3, 32) + map(512, 1)))
  // A layer that is asked for stays.
  const more = workingBytesPerImage(vgg16, ['conv1_2', 'pool5'], [224, 224])
  expect(more).toBe(workingBytesPerImage(vgg16, ['pool5'], [224, 224]) + 4 * map(64, 224))
  expect(workingBytesPerImage(getNetwork('resnet50'), ['pool5'], [224, 224])).toBeGreaterThan(4 * 2 * map(256, 56))
})
