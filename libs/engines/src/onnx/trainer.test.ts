import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { elementCount, type Tensor } from '@layermill/core'
import { fineTunedNetwork, getNetwork, parameterShapes } from '@layermill/models'
import { openEngine } from '../open.js'
import type { Engine } from '../engine.js'
import type { Trainer, TrainingBatch } from '../trainer.js'
import { numbers } from '../testing/index.js'

const size = [64, 64] as const

/** GoogLeNet cut early, with dropout in its head: small, and every kind of op up to there. */
const googlenet = fineTunedNetwork(getNetwork('googlenet'), {
  layer: 'inception_3a',
  head: [{ units: 8, dropout: 0.5 }],
  classes: 3,
  inputSize: size,
})
const resnet = fineTunedNetwork(getNetwork('resnet50'), { layer: 'res2', classes: 3, inputSize: size })

function weightsOf(network: typeof googlenet): Map<string, Tensor> {
  const entries = [...parameterShapes(network)].map(([name, shape], i): [string, Tensor] => {
    const scale = shape.length > 1 ? Math.sqrt(6 / elementCount(shape.slice(1))) : 0.1
    const positive = /gamma$|avg_var$/.test(name)
    return [name, { shape, data: numbers(elementCount(shape), i + 1).map(value => (positive ? 1 + value / 2 : value * scale)) }]
  })
  return new Map(entries)
}

function batch(count = 4): TrainingBatch & { masks: Map<string, Tensor> } {
  const mask = numbers(count * 8, 3).map(value => (value < 0 ? 0 : 2))
  return {
    images: { shape: [count, 3, ...size], data: numbers(count * 3 * size[0] * size[1], 99) },
    labels: Int32Array.from({ length: count }, (_, i) => i % 3),
    masks: new Map([['hidden1', { shape: [count, 8], data: mask }]]),
  }
}

/** A hash of each tensor: equal only where every bit is. */
const bytes = (tensors: ReadonlyMap<string, Tensor>): [string, string][] =>
  [...tensors].map(([name, { data }]) => [name, createHash('sha256').update(new Uint8Array(data.slice().buffer)).digest('hex')])

describe('Trainer', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await openEngine({ threads: 2 })
  })
  afterAll(() => engine.close())

  async function withTrainer(
    work: (trainer: Trainer) => Promise<void>,
    options: Partial<Parameters<Engine['trainer']>[2]> = {},
  ): Promise<void> {
    const weights = weightsOf(googlenet)
    const trainer = await engine.trainer(googlenet, weights, { trainable: [...weights.keys()], ...options })
    try {
      await work(trainer)
    } finally {
      await trainer.release()
    }
  }

  it('gives the same bits for the same batch, also into recycled memory and from another engine', async () => {
    await withTrainer(async trainer => {
      expect([...trainer.masks]).toEqual([['hidden1', { ratio: 0.5, shape: [8] }]])
      const first = await trainer.gradients(batch())
      const expected = bytes(first.gradients)
      expect(expected).toHaveLength(parameterShapes(googlenet).size)
      for (let i = 0; i < 3; i++) expect(bytes((await trainer.gradients(batch())).gradients)).toEqual(expected)
      const again = await trainer.gradients({ ...batch(), recycle: first.gradients })
      expect(bytes(again.gradients)).toEqual(expected)
      const other = await openEngine({ threads: 1 })
      try {
        const weights = weightsOf(googlenet)
        const single = await other.trainer(googlenet, weights, { trainable: [...weights.keys()] })
        const { loss, correct, gradients } = await single.gradients(batch())
        expect({ loss, correct }).toEqual({ loss: first.loss, correct: first.correct })
        expect(bytes(gradients)).toEqual(expected)
      } finally {
        await other.close()
      }
    })
  })

  it('falls by the squared gradient along a small step against it', async () => {
    await withTrainer(async trainer => {
      const weights = weightsOf(googlenet)
      const { loss, gradients } = await trainer.gradients(batch())
      const squared = [...gradients.values()].reduce((sum, { data }) => sum + data.reduce((part, value) => part + value * value, 0), 0)
      const step = (0.01 * loss) / squared
      const moved = new Map(
        [...gradients].map(([name, { shape, data }]): [string, Tensor] => [
          name,
          { shape, data: weights.get(name)!.data.map((value, i) => value - step * data[i]!) },
        ]),
      )
      await trainer.setParameters(moved)
      const after = await trainer.gradients(batch())
      expect((loss - after.loss) / loss).toBeGreaterThan(0.008)
      expect((loss - after.loss) / loss).toBeLessThan(0.012)
    })
  })

  it('evaluates with the parameters as set, without dropout', async () => {
    await withTrainer(async trainer => {
      const { images, labels } = batch()
      const before = await trainer.evaluate({ images, labels })
      const extractor = await engine.extractor(googlenet, weightsOf(googlenet), ['fc'])
      const scores = await extractor.run(batch().images)
      await extractor.release()
      for (const [i, value] of scores.get('fc')!.data.entries()) expect(before.logits.data[i]).toBeCloseTo(value, 3)
      await trainer.setParameters(new Map([['fc/b', { shape: [3], data: Float32Array.of(1000, 0, 0) }]]))
      const after = await trainer.evaluate({ images: batch().images, labels: new Int32Array(4) })
      expect(after.correct).toBe(4)
    })
  })

  it('starts at a layer: the same gradients from its values as from images', async () => {
    const weights = weightsOf(googlenet)
    const trainable = ['hidden1/W', 'hidden1/b', 'fc/W', 'fc/b']
    await withTrainer(
      async whole => {
        const expected = await whole.gradients(batch())
        const extractor = await engine.extractor(googlenet, weights, ['inception_3a'])
        const features = (await extractor.run(batch().images)).get('inception_3a')!
        await extractor.release()
        const head = new Map(trainable.map(name => [name, weights.get(name)!]))
        await withTrainer(
          async trainer => {
            const result = await trainer.gradients({ ...batch(), images: features })
            expect(result.loss).toBeCloseTo(expected.loss, 3)
            for (const name of trainable) {
              const [a, b] = [result.gradients.get(name)!.data, expected.gradients.get(name)!.data]
              const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
              expect(a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) / largest).toBeLessThan(1e-4)
            }
          },
          { trainable, start: 'inception_3a' },
        )
        const partial = await engine.trainer(googlenet, head, { trainable, start: 'inception_3a' })
        await partial.release()
      },
      { trainable },
    )
  })

  it('gives out batch statistics and takes running ones back', async () => {
    const weights = weightsOf(resnet)
    const trainer = await engine.trainer(resnet, weights, { trainable: ['fc/W'], batchNorm: 'batch' })
    const { images, labels } = batch()
    const { batchNorm, gradients } = await trainer.gradients({ images, labels })
    expect([...gradients.keys()]).toEqual(['fc/W'])
    expect(batchNorm.size).toBe(11)
    expect(batchNorm.get('bn1')!.mean).toHaveLength(64)
    const before = await trainer.evaluate({ images: batch().images, labels })
    await trainer.setParameters(new Map([['bn1/avg_var', { shape: [64], data: batchNorm.get('bn1')!.variance }]]))
    const after = await trainer.evaluate({ images: batch().images, labels })
    expect(after.logits.data).not.toEqual(before.logits.data)
    await trainer.release()
  })

  it('refuses what does not fit, by name', async () => {
    await withTrainer(async trainer => {
      await expect(trainer.gradients({ ...batch(), labels: Int32Array.of(0) })).rejects.toThrow(/the images must be 1x3x64x64/)
      await expect(trainer.gradients({ ...batch(), labels: Int32Array.of(0, 1, 2, 3) })).rejects.toThrow(/label 3; expected 0 to 2/)
      await expect(trainer.gradients({ ...batch(), masks: new Map() })).rejects.toThrow(/no mask for dropout hidden1/)
      await expect(trainer.gradients({ ...batch(), targets: { shape: [4, 2], data: new Float32Array(8) } })).rejects.toThrow(
        /the targets must be 4x3/,
      )
      await expect(trainer.setParameters(new Map([['fc/b', { shape: [2], data: new Float32Array(2) }]]))).rejects.toThrow(
        /fc\/b is 2; expected 3/,
      )
      await expect(trainer.setParameters(new Map([['fc9/b', { shape: [2], data: new Float32Array(2) }]]))).rejects.toThrow(/fc9\/b/)
    })
    await expect(withTrainer(async () => {}, { trainable: ['fc7/W'] })).rejects.toThrow(/fc7\/W is no parameter/)
    await expect(withTrainer(async () => {}, { start: 'conv3' })).rejects.toThrow(expect.objectContaining({ code: 'LAYER_UNKNOWN' }))
  })

  it('is gone once released, and an engine closes with trainers open', async () => {
    const other = await openEngine({ threads: 1 })
    const weights = weightsOf(googlenet)
    const released = await other.trainer(googlenet, weights, { trainable: ['fc/W'] })
    await released.release()
    await released.release()
    await expect(released.gradients(batch())).rejects.toThrow(/released/)
    await other.trainer(googlenet, weights, { trainable: ['fc/W'] })
    await other.close()
  })
})
