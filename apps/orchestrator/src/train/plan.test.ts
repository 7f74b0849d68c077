import { describe, expect, it } from 'vitest'
import { FinetuneSpec } from '@layermill/contracts'
import { getNetwork } from '@layermill/models'
import {
  baseIsFixed,
  classWeights,
  featuresLayer,
  optimizerSpec,
  parameterScales,
  scheduleOf,
  trainedNetwork,
  trainingPlan,
} from './plan.js'

const spec = (more: Record<string, unknown> = {}): FinetuneSpec =>
  FinetuneSpec.parse({ kind: 'finetune', source: 'a', out: 'b', model: 'resnet50', ...more })
const classes = ['cat', 'dog']
const rows = [
  ['a', 'cat'],
  ['b', 'cat'],
  ['c', 'cat'],
  ['d', 'dog'],
].map(([key, label]) => ({ key: key!, label: label!, etag: '', bytes: 1 }))
const plan = (more: Record<string, unknown>) => {
  const parsed = spec(more)
  const base = getNetwork(parsed.model)
  return trainingPlan({ run: 'r', spec: parsed, base, classes, training: rows, validation: [], datasetSha256: '' })
}

describe('what learns', () => {
  const scales = (base: unknown, more = {}): Map<string, number> => {
    const parsed = spec({ base, ...more })
    return parameterScales(parsed, trainedNetwork(parsed, getNetwork(parsed.model), classes))
  }

  it('is the head alone, all of it, or as a table says, the head always', () => {
    expect([...scales('frozen')].filter(([, scale]) => scale > 0).map(([name]) => name)).toEqual(['fc/W', 'fc/b'])
    expect(new Set(scales('full').values())).toEqual(new Set([1]))
    const table = scales('res5=1,res4=0.1,*=0', { head: [8] })
    expect(table.get('res5/a/conv1/W')).toBe(1)
    expect(table.get('res4/b5/bn3/gamma')).toBe(0.1)
    expect(table.get('res3/a/conv1/W')).toBe(0)
    expect(table.get('hidden1/W')).toBe(1)
    expect(scales('scaled:0.5').get('conv1/W')).toBe(0.5)
  })

  it('goes by the names of layers as well as of parameters', () => {
    const table = scales({ inception_3a: 1, 'inception_3b/5x5': 0.5, inc4a: 0.25, 'inception_5*': 2, '*': 0 }, { model: 'googlenet' })
    expect(table.get('inc3a/proj3/W')).toBe(1)
    expect(table.get('inc3b/conv5/b')).toBe(0.5)
    expect(table.get('inc3b/conv3/W')).toBe(0)
    expect(table.get('inc4a/conv1/W')).toBe(0.25)
    expect(table.get('inc5b/projp/W')).toBe(2)
    expect(scales('res4/b22=1,*=0', { model: 'resnet101' }).get('res4/b22/conv2/W')).toBe(1)
  })

  it('never holds running statistics, which move only where asked', () => {
    expect([...scales('full').keys()].filter(name => /avg_(mean|var)$/.test(name))).toEqual([])
    expect(plan({}).statistics).toEqual([])
    expect(plan({ batchNorm: 'batch' }).statistics).toContain('res5/b2/bn3/avg_var')
  })

  it('moves the statistics of layers that learn and no others', () => {
    const { statistics } = plan({ batchNorm: 'batch', base: 'res5=1,res4=0.1,*=0' })
    expect(new Set(statistics.map(name => name.split('/')[0]))).toEqual(new Set(['res4', 'res5']))
    expect(statistics).toEqual(expect.arrayContaining(['res4/a/bn1/avg_mean', 'res5/b2/bn3/avg_var']))
    // A frozen base learns nothing: what moves there is asked for by the flag alone.
    expect(plan({ batchNorm: 'batch', base: 'frozen' }).statistics).toContain('bn1/avg_mean')
  })

  it('refuses batch statistics where there are none', () => {
    expect(() => plan({ batchNorm: 'batch', model: 'vgg16', base: 'full' })).toThrow(/vgg16@fc7 has no batch normalisation/)
    expect(() => plan({ batchNorm: 'batch', base: { 'conv1/W': 1 } })).toThrow(/no layer that learns has batch normalisation/)
  })

  it('refuses a layer that is not there', () => {
    expect(() => scales({ nowhere: 1 })).toThrow(expect.objectContaining({ code: 'SCALE_INVALID' }) as Error)
  })
})

describe('a base that does not change', () => {
  it('ends at the cut, or where the classifier is replaced at the layer before it', () => {
    expect(featuresLayer(spec(), getNetwork('resnet50'))).toBe('pool5')
    expect(featuresLayer(spec({ layer: 'fc6' }), getNetwork('resnet50'))).toBe('pool5')
    expect(featuresLayer(spec({ model: 'vgg16', layer: 'fc8' }), getNetwork('vgg16'))).toBe('fc7')
    expect(featuresLayer(spec({ model: 'googlenet', layer: 'loss3_fc' }), getNetwork('googlenet'))).toBe('pool5')
    expect(plan({ base: 'full' }).features).toBeUndefined()
  })

  it('has no dropout, and a fixed number of augmented copies', () => {
    expect(plan({ model: 'vgg16', head: [8] }).dropoutOff).toEqual(['fc6', 'fc7'])
    expect(plan({ model: 'vgg16', base: 'full' }).dropoutOff).toEqual([])
    expect(plan({ augment: 'flip', augmentCopies: 3 }).augmentCopies).toBe(3)
    expect(plan({ augment: 'flip', base: 'full' }).augmentCopies).toBeUndefined()
    expect(baseIsFixed(spec({ batchNorm: 'batch' }))).toBe(false)
  })
})

describe('settings', () => {
  it('become the optimizers and schedules of the training library', () => {
    expect(optimizerSpec(spec({ optimizer: 'adamw', weightDecay: 0.01 }))).toMatchObject({
      kind: 'adamw',
      alpha: 0.001,
      weight_decay_rate: 0.01,
    })
    expect(optimizerSpec(spec({ weightDecay: 0.01, gradientClip: 2 }))).toMatchObject({ kind: 'adam', weightDecay: 0.01, clipNorm: 2 })
    expect(optimizerSpec(spec({ optimizer: 'momentum' }))).toMatchObject({ kind: 'momentum', lr: 0.01, momentum: 0.9 })
    expect(scheduleOf(spec({ schedule: 'step:2:0.1', epochs: 7, warmupEpochs: 1 }))).toEqual({
      kind: 'step',
      epochs: [2, 4, 6],
      gamma: 0.1,
      warmup: 1,
    })
    expect(scheduleOf(spec({ schedule: 'step:2:0.1', epochs: 2 }))).toMatchObject({ epochs: [] })
    expect(scheduleOf(spec({ schedule: 'cosine:0.1' }))).toEqual({ kind: 'cosine', final: 0.1, warmup: 0 })
  })

  it('weigh classes by name or by their number', () => {
    expect(classWeights(spec(), classes, rows)).toBeUndefined()
    expect(classWeights(spec({ classWeights: 'balanced' }), classes, rows)).toEqual([4 / 6, 2])
    expect(classWeights(spec({ classWeights: { dog: 3 } }), classes, rows)).toEqual([1, 3])
  })
})
