import { describe, expect, it } from 'vitest'
import { fineTunedNetwork, getNetwork } from '@layermill/models'
import { earlyStoppingStart, observeEpoch, shouldStop } from './early-stopping.js'
import { initialHead } from './initialize.js'
import { balancedClassWeights, lossTargets } from './loss.js'
import { Metrics } from './metrics.js'
import { scheduleFactor } from './schedule.js'

describe('scheduleFactor', () => {
  const run = { stepsPerEpoch: 10, steps: 100 }

  it('constant, step and cosine', () => {
    expect(scheduleFactor({ kind: 'constant' }, 99, run)).toBe(1)
    const step = { kind: 'step', epochs: [3, 6.5], gamma: 0.5 } as const
    expect([29, 30, 64, 65].map(i => scheduleFactor(step, i, run))).toEqual([1, 0.5, 0.5, 0.25])
    expect(scheduleFactor({ kind: 'cosine' }, 0, run)).toBe(1)
    expect(scheduleFactor({ kind: 'cosine' }, 50, run)).toBeCloseTo(0.5, 12)
    expect(scheduleFactor({ kind: 'cosine', final: 0.1 }, 100, run)).toBeCloseTo(0.1, 12)
  })

  it('warms up linearly, never at 0', () => {
    const warm = { kind: 'cosine', warmup: 0.4 } as const
    expect([0, 1, 2, 3, 4].map(i => scheduleFactor(warm, i, run))).toEqual([0.2, 0.4, 0.6, 0.8, 1])
    expect(() => scheduleFactor({ kind: 'constant', warmup: -1 }, 0, run)).toThrow(/warm-up of -1/)
  })
})

describe('lossTargets', () => {
  it('is one-hot, smoothed and weighted', () => {
    expect([...lossTargets([1, 0], 2).data]).toEqual([0, 1, 1, 0])
    const { data, shape } = lossTargets([2, 0], 4, { labelSmoothing: 0.2, classWeights: [10, 1, 1, 1] }, [1, 0.5])
    expect(shape).toEqual([2, 4])
    expect([...data].map(x => Number(x.toFixed(6)))).toEqual([0.05, 0.05, 0.85, 0.05, 4.25, 0.25, 0.25, 0.25])
  })

  it('refuses labels and weights that do not fit', () => {
    expect(() => lossTargets([3], 3)).toThrow(/label 3 of sample 0/)
    expect(() => lossTargets([1], 3, { classWeights: [1] })).toThrow(/1 class weights for 3 classes/)
    expect(() => lossTargets([1], 3, { labelSmoothing: 1 })).toThrow(/label smoothing 1/)
  })

  it('balances classes', () => {
    expect(balancedClassWeights([0, 0, 0, 1], 3)).toEqual([4 / 9, 4 / 3, 0])
  })
})

describe('Metrics', () => {
  it('counts a confusion matrix and what follows from it', () => {
    const metrics = new Metrics(3)
    const scores = [
      [3, 1, 0],
      [1, 3, 0],
      [0, 5, 1],
      [0, 2, 2],
    ]
    metrics.add({ shape: [4, 3], data: Float32Array.from(scores.flat()) }, [0, 0, 1, 2], 6)
    const { accuracy, loss, confusion, perClass, macroF1 } = metrics.summary()
    expect({ accuracy, loss }).toEqual({ accuracy: 0.5, loss: 1.5 })
    expect(confusion).toEqual([
      [1, 1, 0],
      [0, 1, 0],
      [0, 1, 0],
    ])
    expect(perClass[0]).toEqual({ precision: 1, recall: 0.5, f1: 2 / 3, support: 2 })
    expect(perClass[1]).toEqual({ precision: 1 / 3, recall: 1, f1: 0.5, support: 1 })
    expect(perClass[2]).toEqual({ precision: 0, recall: 0, f1: 0, support: 1 })
    expect(macroF1).toBeCloseTo((2 / 3 + 0.5) / 3, 12)
  })

  it('takes the mean F1 over the classes that have samples', () => {
    const metrics = new Metrics(4)
    metrics.add(
      {
        shape: [3, 4],
        data: Float32Array.from(
          [
            [3, 1, 0, 0],
            [1, 3, 0, 0],
            [0, 0, 9, 0],
          ].flat(),
        ),
      },
      [0, 1, 1],
      1,
    )
    // sklearn's f1_score(y, p, average='macro', labels=[0, 1]) of y = 0, 1, 1 and p = 0, 1, 2.
    expect(metrics.summary().macroF1).toBeCloseTo((1 + 2 / 3) / 2, 12)
    expect(new Metrics(2).summary().macroF1).toBe(0)
  })
})

describe('early stopping', () => {
  it('waits for `patience` epochs without a better loss', () => {
    let state = earlyStoppingStart
    const stops = [1, 0.9, 0.95, NaN, 0.8, 0.8, 0.79].map((loss, epoch) => {
      state = observeEpoch(state, epoch, loss, 0.02)
      return shouldStop(state, 2)
    })
    expect(stops).toEqual([false, false, false, true, false, false, true])
    expect(state).toEqual({ best: 0.8, bestEpoch: 4, epochsWithoutImprovement: 2 })
  })
})

describe('initialHead', () => {
  it('gives every new parameter numbers of the size its fan-in asks for', () => {
    const network = fineTunedNetwork(getNetwork('resnet50'), { layer: 'pool5', head: [{ units: 64 }], classes: 3 })
    const head = initialHead(network, 5)
    expect([...head.keys()]).toEqual(['hidden1/W', 'hidden1/b', 'fc/W', 'fc/b'])
    const { data, shape } = head.get('hidden1/W')!
    expect(shape).toEqual([64, 2048])
    expect(data.reduce((sum, x) => sum + x * x, 0) / data.length).toBeCloseTo(1 / 2048, 5)
    expect(initialHead(network, 5).get('fc/W')).toEqual(head.get('fc/W'))
    expect(initialHead(network, 6).get('fc/W')).not.toEqual(head.get('fc/W'))
  })
})
