/** Grad-CAM and its like against PyTorch's autograd in float64, with torchvision's networks, seeded weights and a seeded picture. */
import { readFile } from 'node:fs/promises'
import { gradCam, gradCamPlusPlus, gradientTimesInput, layerCam, overLargest, resizeMap, saliency } from '@layermill/analysis'
import type { Tensor } from '@layermill/core'
import { type Engine, type Explanation, openEngine } from '@layermill/engines'
import { getNetwork, type Network, parameterShapes } from '@layermill/models'
import { picture, torchvisionKey, torchvisionWeights } from '@layermill/weights'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { differenceFrom, type Summary } from '../summary.js'

interface LayerValues {
  readonly activation: Summary
  readonly gradient: Summary
  readonly channelWeights: Summary
  readonly map: Summary
  readonly beforeRelu: Summary
  readonly upsampled: Summary
  readonly upsampledOverMax: Summary | null
  readonly plusPlusMap: Summary
  readonly layerCam: Summary
  readonly float32: Readonly<Record<'beforeRelu' | 'map' | 'plusPlusMap', number>>
}

interface ClassValues {
  readonly logit: number
  readonly inputGradient: Summary
  readonly inputTimesGradient: Summary
  readonly inputTimesGradientSummedOverChannels: Summary
  readonly 'saliency, largest magnitude over channels': Summary
  readonly layers: Readonly<Record<string, LayerValues>>
}

interface Values {
  readonly seed: string
  readonly height: number
  readonly width: number
  readonly top: number
  readonly layers: readonly string[]
  readonly classes: Readonly<Record<string, ClassValues>>
  readonly logits: Summary
}

/** Largest difference in units of the largest value: ten times what float32 itself is off, where that is more (the stored `float32`). */
const tolerance = 1e-4
/** Share of the input gradient's largest value: single choices of ReLU and max pooling fall the other way in float32. */
const inputTolerance = 5e-2

/** Of torchvision's presets, by channel. */
const mean = [0.485, 0.456, 0.406]
const std = [0.229, 0.224, 0.225]

/** The stored picture as torchvision's presets prepare it. */
function prepared({ seed, height, width }: Values): Tensor {
  const pixels = picture(`${seed}:image`, height, width)
  const plane = height * width
  const data = new Float32Array(3 * plane)
  for (let c = 0; c < 3; c++) for (let i = 0; i < plane; i++) data[c * plane + i] = (pixels[i * 3 + c]! / 255 - mean[c]!) / std[c]!
  return { shape: [1, 3, height, width], data }
}

/** Values by channel times a factor of each, plus a summand. */
const scaled = ({ shape, data }: Tensor, factor: (channel: number) => number, plus: (channel: number) => number = () => 0): Tensor => {
  const plane = shape[2]! * shape[3]!
  return { shape, data: data.map((value, i) => value * factor(Math.floor(i / plane) % 3) + plus(Math.floor(i / plane) % 3)) }
}

/** torchvision's GoogLeNet rescales to [-1, 1] within the model, here the preparation does: stored input gradients are before that. */
const rescale = (channel: number): number => std[channel]! / 0.5
const rescaled = (images: Tensor): Tensor => scaled(images, rescale, channel => (mean[channel]! - 0.5) / 0.5)

function weightsOf(network: Network, seed: string): Map<string, Tensor> {
  const shapes = parameterShapes(network)
  const names = new Map([...shapes.keys()].map(name => [torchvisionKey(network.architecture, name)!, name]))
  const byKey = torchvisionWeights(new Map([...names].map(([key, name]) => [key, shapes.get(name)!])), seed)
  return new Map([...byKey].map(([key, tensor]) => [names.get(key)!, tensor]))
}

const one = (tensor: Tensor): { channels: number; height: number; width: number; data: Float32Array } => {
  const [, channels, height, width] = tensor.shape as [number, number, number, number]
  return { channels, height, width, data: tensor.data }
}

function expectLayer(explanation: Explanation, layer: string, expected: LayerValues, size: readonly [number, number]): void {
  const { channels, height, width, data: activations } = one(explanation.values.get(layer)!)
  const { data: gradients } = one(explanation.gradients.get(layer)!)
  expect([channels, height, width], layer).toEqual(expected.activation.shape)
  const evidence = { channels, height, width, activations, gradients }
  const within = (found: Float64Array | Float32Array, summary: Summary, limit: number, scale = summary.absMax): void => {
    if (summary.absMax === 0) expect(found.every(value => value === 0)).toBe(true)
    else expect((differenceFrom(summary, found) * summary.absMax) / scale, layer).toBeLessThanOrEqual(limit)
  }
  within(activations, expected.activation, tolerance)
  within(gradients, expected.gradient, tolerance * 10)
  const cam = gradCam(evidence)
  const scale = expected.beforeRelu.absMax
  within(cam.channelWeights!, expected.channelWeights, tolerance)
  within(cam.beforeRelu, expected.beforeRelu, Math.max(tolerance, 10 * expected.float32.beforeRelu))
  within(cam.map, expected.map, Math.max(tolerance, 10 * expected.float32.map), scale)
  const large = resizeMap(cam.map, [height, width], size)
  within(large, expected.upsampled, tolerance, scale)
  const shown = overLargest(large)
  if (expected.upsampledOverMax === null) expect(shown).toBeUndefined()
  else within(shown!, expected.upsampledOverMax, tolerance)
  within(gradCamPlusPlus(evidence).map, expected.plusPlusMap, Math.max(tolerance, 10 * expected.float32.plusPlusMap))
  within(layerCam(evidence).map, expected.layerCam, tolerance)
}

describe('explanations against PyTorch', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await openEngine()
  })
  afterAll(() => engine.close())

  // VGG16 has no op that these two lack, and 138 million weights to make.
  it.each(['resnet50', 'googlenet'])('%s', async model => {
    const values = JSON.parse(await readFile(new URL(`explain-${model}-160x224.json`, import.meta.url), 'utf8')) as Values
    const network = getNetwork(`${model}.tv`)
    const size = [values.height, values.width] as const
    const explainer = await engine.explainer(network, weightsOf(network, values.seed), { layers: values.layers, inputSize: size })
    const classes = Object.keys(values.classes).map(Number)
    expect(classes).toHaveLength(2)
    for (const label of classes) {
      const expected = values.classes[label]!
      const images = prepared(values)
      const inside = model === 'googlenet' ? rescaled(images) : scaled(images, () => 1)
      // The highest score is found where no class is given.
      const explanation = await explainer.explain(inside, label === values.top ? undefined : Int32Array.of(label))
      expect(differenceFrom(values.logits, explanation.scores.data)).toBeLessThanOrEqual(tolerance)
      for (const layer of values.layers) expectLayer(explanation, layer, expected.layers[layer]!, size)
      const outside = scaled(explanation.inputGradient, model === 'googlenet' ? rescale : () => 1)
      const { channels, height, width, data: gradients } = one(outside)
      const evidence = { channels, height, width, activations: images.data, gradients }
      for (const [summary, found] of [
        [expected.inputGradient, gradients],
        [expected.inputTimesGradientSummedOverChannels, gradientTimesInput(evidence)],
        [expected['saliency, largest magnitude over channels'], saliency(evidence)],
      ] as const)
        expect(differenceFrom(summary, found)).toBeLessThanOrEqual(inputTolerance)
    }
    await explainer.release()
  })
})
