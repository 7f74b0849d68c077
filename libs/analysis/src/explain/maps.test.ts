import { describe, expect, it } from 'vitest'
import { gradCam, gradCamPlusPlus, gradientTimesInput, layerCam, type LayerEvidence, overLargest, resizeMap, saliency } from './maps.js'

const evidence: LayerEvidence = {
  channels: 2,
  height: 1,
  width: 2,
  activations: Float32Array.of(1, 3, 2, 0),
  gradients: Float32Array.of(0.5, -0.25, -1, 0),
}

describe('maps of evidence', () => {
  it('weigh channels by their mean gradient', () => {
    const { map, beforeRelu, channelWeights } = gradCam(evidence)
    expect([...channelWeights!]).toEqual([0.125, -0.5])
    expect([...beforeRelu]).toEqual([0.125 - 1, 0.375])
    expect([...map]).toEqual([0, 0.375])
  })

  it('weigh channels by the formula of the paper', () => {
    const { channelWeights } = gradCamPlusPlus(evidence)
    // g = 0.5, S = 4: 0.25 / (0.5 + 0.125 * 4) * 0.5
    expect([...channelWeights!]).toEqual([0.125, 0])
  })

  it('weigh positions by their own gradient', () => {
    expect([...layerCam(evidence).map]).toEqual([0.5, 0])
    expect([...gradientTimesInput(evidence)]).toEqual([-1.5, -0.75])
    expect([...saliency(evidence)]).toEqual([1, 0.25])
  })

  it('are not divided by nothing', () => {
    expect(overLargest(new Float64Array(3))).toBeUndefined()
    expect([...overLargest(Float64Array.of(-4, 2))!]).toEqual([-1, 0.5])
  })

  it('are read between the centres of cells', () => {
    expect([...resizeMap(Float64Array.of(0, 1), [1, 2], [1, 4])]).toEqual([0, 0.25, 0.75, 1])
    expect([...resizeMap(Float64Array.of(3), [1, 1], [2, 2])]).toEqual([3, 3, 3, 3])
    expect([...resizeMap(Float64Array.of(0, 1, 2, 3), [1, 4], [1, 2])]).toEqual([0.5, 2.5])
  })
})
