import type { RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { ImageSource } from '@layermill/storage'
import { describe, expect, it } from 'vitest'
import type { ModelProvider } from '../model-provider.js'
import { choosePrecision, verdictOf } from './choose-precision.js'

interface World {
  readonly engine?: string
  readonly device?: string
  /** Error of the calibrator. */
  readonly fails?: Error
  readonly hasInstructions?: boolean
  readonly images?: number
}

/** A machine that refuses to compute. */
function choiceOn({ engine = 'onnx', device = 'cpu', fails = new Error('it computes'), hasInstructions = true, images = 1000 }: World) {
  const provider = {
    openEngine: async () => ({ name: engine, device, version: '1', calibrator: () => Promise.reject(fails) }),
    model: async () => ({ network: {}, weights: {}, labels: [] }),
    outline: async () => ({ network: {}, weights: {}, labels: [] }),
  } as unknown as ModelProvider
  const source = {
    async *items() {
      for (let i = 0; i < images; i++) yield { key: `${i}.jpg`, etag: '', bytes: 1 }
    },
  } as unknown as ImageSource
  const identity = { weights: 'a'.repeat(64), layers: ['pool5'], preparation: { size: 'keep' } }
  const record = { spec: { model: 'resnet50', weights: 'random:1' }, identity } as unknown as RunRecord
  return choosePrecision({ provider, source, record, readAhead: 1, hasInstructions: async () => hasInstructions })
}

describe('choosePrecision', () => {
  it.each([
    [{ engine: 'tfjs' }, 'by tfjs on cpu'],
    [{ device: 'cuda' }, 'by onnx on cuda'],
    [{ fails: new LayermillError('PRECISION_UNAVAILABLE', 'vit.onnx has no operators for int8') }, 'vit.onnx has no operators'],
    [{ hasInstructions: false }, 'avx512_vnni'],
    [{ images: 511 }, 'fewer than 512 images'],
  ])('takes fp32: %o', async (world, reason) => {
    expect(await choiceOn(world)).toEqual({ choice: { chosen: 'fp32', reason: expect.stringContaining(reason) as string } })
  })

  it('computes where none of these decides', async () => {
    await expect(choiceOn({ images: 512 })).rejects.toThrow('it computes')
  })
})

describe('verdictOf', () => {
  const cosine = { pool1: { mean: 0.999, smallest: 0.9 }, pool5: { mean: 0.9901, smallest: 0.5 } }

  it('takes int8 where it is faster and every layer agrees', () => {
    expect(verdictOf(1.1, { cosine })).toEqual({
      chosen: 'int8',
      speedup: 1.1,
      reason: 'int8 is 1.10 times as fast as fp32 on some of the images; smallest mean cosine to fp32 0.9901 (pool5)',
    })
  })

  it.each([
    [1.09, cosine, '1.09 times'],
    [0.7, cosine, '0.70 times'],
    [3, { ...cosine, fc6: { mean: 0.9899, smallest: 0.9 } }, 'fc6 has a mean cosine of 0.9899 to fp32, below 0.99'],
    [3, { pool5: { mean: NaN, smallest: NaN } }, 'pool5 has a mean cosine of NaN'],
  ])('takes fp32 at %f with %o', (speedup, found, reason) => {
    expect(verdictOf(speedup, { cosine: found })).toEqual({ chosen: 'fp32', speedup, reason: expect.stringContaining(reason) as string })
  })
  it('goes by the labels for the classes, and by the cosine for other layers', () => {
    const scores = new Set(['scores'])
    const labelled = { images: 64, fp32: 0.5, int8: 0.496, decides: true }
    const worse = { cosine: { scores: { mean: 0.9, smallest: 0.5 } } }
    expect(verdictOf(2, { ...worse, labelled }, scores)).toMatchObject({
      chosen: 'int8',
      reason: 'int8 is 2.00 times as fast as fp32 on some of the images; top-1 49.6%, 50.0% in fp32',
    })
    expect(verdictOf(2, { ...worse, labelled: { ...labelled, int8: 0.49 } }, scores)).toMatchObject({
      chosen: 'fp32',
      reason: expect.stringContaining('but top-1 49.0%, 50.0% in fp32') as string,
    })
    for (const other of [
      { ...worse, labelled: { ...labelled, decides: false } },
      { cosine: { pool: worse.cosine.scores }, labelled },
    ])
      expect(verdictOf(2, other, scores)).toMatchObject({ chosen: 'fp32', reason: expect.stringContaining('cosine of 0.9000') as string })
  })
})
