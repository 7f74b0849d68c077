import { describe, expect, it } from 'vitest'
import { layerCosts } from './costs.js'
import { getNetwork } from './network.js'
import { layerShapes, parameterShapes, pooledSize } from './shapes.js'

describe('pooledSize', () => {
  it('covers the whole input or leaves the rest', () => {
    expect(pooledSize(112, 3, 2, 0, true)).toBe(56)
    expect(pooledSize(112, 3, 2, 0, false)).toBe(55)
    expect(pooledSize(7, 2, 2, 0, true)).toBe(4)
    expect(pooledSize(28, 3, 1, 1, true)).toBe(28)
  })

  it('drops a window that would start in the padding behind', () => {
    expect(pooledSize(2, 1, 2, 1, true)).toBe(2)
    expect(pooledSize(5, 2, 2, 1, true)).toBe(3)
  })
})

describe('layerShapes', () => {
  it('follows the input size, non-square too', () => {
    const shapes = layerShapes(getNetwork('resnet50'), ['res4', 'pool5'], [256, 320])
    expect(shapes.get('res4')).toEqual([1024, 16, 20])
    expect(shapes.get('pool5')).toEqual([2048])
  })

  it('names the layer and the size that is needed', () => {
    expect(() => layerShapes(getNetwork('vgg16'), ['pool5', 'fc6'], [256, 320])).toThrow(/layer fc6 of vgg16 .* 320x256/)
    expect(() => layerShapes(getNetwork('googlenet'), ['loss3_fc'], [448, 448])).toThrow(/loss3_fc/)
    expect(() => layerShapes(getNetwork('googlenet'), ['pool5'], [64, 64])).toThrow(/pool5/)
  })

  it('lets torchvision pool to the classifier from any size', () => {
    expect(layerShapes(getNetwork('vgg16.tv'), ['fc6'], [256, 320]).get('fc6')).toEqual([4096])
  })
})

describe('costs', () => {
  // He et al. 2016, table 1 counts multiply-adds: 3.8e9 for ResNet-50 (without the stride on the 3x3).
  it('counts a multiply-add as two operations', () => {
    const [cost] = layerCosts(getNetwork('resnet50'), ['fc6'])
    expect(cost!.flops / 2).toBeGreaterThan(3.8e9)
    expect(cost!.flops / 2).toBeLessThan(3.9e9)
  })

  it('counts only what a layer needs', () => {
    const [pool5, fc8] = layerCosts(getNetwork('vgg16'), ['pool5', 'fc8'])
    expect(pool5).toMatchObject({ shape: [512, 7, 7], bytesPerImage: 512 * 7 * 7 * 4, parameters: 14_714_688 })
    expect(fc8!.parameters).toBe(138_357_544)
  })
})

describe('parameterShapes', () => {
  it('has Chainer’s names and shapes', () => {
    const shapes = parameterShapes(getNetwork('googlenet'))
    expect(shapes.size).toBe(128)
    expect(shapes.get('inc3a/proj3/W')).toEqual([96, 192, 1, 1])
    expect(parameterShapes(getNetwork('resnet50')).get('res2/b1/bn3/gamma')).toEqual([256])
  })
})
