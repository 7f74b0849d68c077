import { type ExtractSpec, parseSpec, type PredictSpec } from '@layermill/contracts'
import { getNetwork, preparedAs } from '@layermill/models'
import { describe, expect, it } from 'vitest'
import { layerResults, runIdentity } from './identity.js'

const extract = (flags: Record<string, unknown> = {}): ExtractSpec =>
  parseSpec({ kind: 'extract', source: '/photos', model: 'resnet50', out: '/features', ...flags }) as ExtractSpec

const identityOf = (spec: ExtractSpec | PredictSpec) =>
  runIdentity({ spec, network: getNetwork(spec.model), weightsSha256: 'abc', preparationVersion: 'v1' })

describe('runIdentity', () => {
  it('fills in the network’s defaults', () => {
    expect(identityOf(extract())).toMatchObject({
      model: 'resnet50',
      weights: 'abc',
      layers: ['pool5'],
      preparation: { version: 'v1', size: { height: 224, width: 224 }, resample: 'bicubic' },
    })
    expect(identityOf(extract({ model: 'vgg16.tv' })).preparation.resample).toBe('bilinear')
  })

  it('has the preparation by its numbers, and the size that belongs to it', () => {
    const identity = (name: string, flags: Record<string, unknown> = {}) =>
      runIdentity({
        spec: extract(flags),
        network: preparedAs(getNetwork('resnet50'), name),
        weightsSha256: 'abc',
        preparationVersion: 'v1',
      }).preparation
    expect(identity('keras')).toMatchObject({
      resample: 'bicubic',
      input: { channels: 'bgr', divisor: 1, mean: [103.939, 116.779, 123.68], resize: { kind: 'exact' } },
    })
    expect(identity('timm:a3_in1k')).toMatchObject({
      size: { height: 160, width: 160 },
      resample: 'bicubic',
      input: { resize: { kind: 'share', share: 0.95 } },
    })
    expect(identity('timm:a3_in1k', { size: '224x224', resample: 'nearest' })).toMatchObject({
      size: { height: 224, width: 224 },
      resample: 'nearest',
    })
  })

  it('of a prediction is of the probabilities', () => {
    const spec = parseSpec({ kind: 'predict', source: '/photos', model: 'googlenet', oversample: true, top: 3 }) as PredictSpec
    expect(identityOf(spec)).toMatchObject({ layers: ['prob'], top: 3, preparation: { oversample: true } })
  })

  it('of a prediction tells apart names of classes: those of the spec, else those of the file', () => {
    const labels = (asked: string[] | undefined, own: string[] | undefined) =>
      runIdentity({
        spec: parseSpec({ kind: 'predict', source: '/photos', model: 'googlenet', labels: asked }) as PredictSpec,
        network: getNetwork('googlenet'),
        weightsSha256: 'abc',
        preparationVersion: 'v1',
        labels: own,
      }).labels
    expect(labels(undefined, undefined)).toBeUndefined()
    expect(labels(undefined, ['a', 'b'])).toMatch(/^[0-9a-f]{64}$/)
    expect(labels(['a', 'b'], ['c', 'd'])).toBe(labels(undefined, ['a', 'b']))
    expect(labels(undefined, ['b', 'a'])).not.toBe(labels(undefined, ['a', 'b']))
  })
})

describe('layerResults', () => {
  const results = (flags: Record<string, unknown>) => layerResults(extract(flags), getNetwork('resnet50'))

  it('has shapes and sizes of what is stored', () => {
    expect(results({ layers: 'res4,pool5' })).toEqual([
      { name: 'res4', shape: [1024, 14, 14], dtype: 'float32', bytesPerImage: 1024 * 14 * 14 * 4 },
      { name: 'pool5', shape: [2048], dtype: 'float32', bytesPerImage: 2048 * 4 },
    ])
    expect(results({ layers: 'res4', pool: 'avg', dtype: 'float16' })).toMatchObject([{ shape: [1024], bytesPerImage: 2048 }])
    expect(results({ layers: 'res4', size: '320x256' })).toMatchObject([{ shape: [1024, 16, 20] }])
  })

  it('takes images of their own size only where shapes cannot differ', () => {
    expect(results({ layers: 'pool5', size: 'keep' })).toMatchObject([{ shape: [2048] }])
    expect(results({ layers: 'res4', size: 'keep', pool: 'max' })).toMatchObject([{ shape: [1024] }])
    expect(() => results({ layers: 'res4,pool5', size: 'keep' })).toThrow(/every image has its own shape at res4/)
  })
})
