import { parseSpec, type RunIdentity, type RunRecord, type RunSpec } from '@layermill/contracts'
import { getNetwork } from '@layermill/models'
import { expect, it } from 'vitest'
import { computationOf } from './computation.js'

const identity: RunIdentity = {
  model: 'resnet50',
  weights: 'abc',
  layers: ['res4', 'pool5'],
  precision: 'fp32',
  pool: 'none',
  dtype: 'float32',
  format: 'npy',
  preparation: { version: '1', size: { height: 224, width: 224 }, resample: 'bicubic', autoOrient: false, oversample: false },
}
const { resample: _resample, ...own } = getNetwork('resnet50').preparation
const input: NonNullable<RunIdentity['preparation']['input']> = { ...own, mean: [...own.mean], std: [...own.std] }
const engine = { name: 'onnx', version: 'onnxruntime 1', device: 'cpu' } as const
const cpu = 'x64-fma.00000000'
const extract = parseSpec({ kind: 'extract', source: '/a', model: 'resnet50', out: '/b' })
const predict = parseSpec({ kind: 'predict', source: '/a', model: 'resnet50' })

function computation(
  layer: string,
  changes: Partial<RunIdentity> = {},
  more: { spec?: RunSpec; engine?: Partial<Record<keyof typeof engine, string>>; cpu?: string } = {},
): string {
  const record = { spec: more.spec ?? extract, identity: { ...identity, ...changes } } as RunRecord
  return computationOf(
    { record, network: getNetwork('resnet50'), engine: { ...engine, ...more.engine } as typeof engine, cpu: more.cpu ?? cpu },
    layer,
  )
}

it('is another one for whatever decides the numbers', () => {
  const { preparation } = identity
  const all = [
    computation('res4'),
    computation('res3'),
    computation('res4', { model: 'resnet50.tv' }),
    computation('res4', { weights: 'abd' }),
    computation('res4', { precision: 'int8', calibration: 'a' }),
    computation('res4', { precision: 'int8', calibration: 'b' }),
    computation('res4', { pool: 'avg' }),
    computation('res4', { pool: 'max' }),
    computation('res4', { dtype: 'float16' }),
    computation('res4', { preparation: { ...preparation, version: '2' } }),
    computation('res4', { preparation: { ...preparation, size: { height: 256, width: 224 } } }),
    computation('res4', { preparation: { ...preparation, size: { height: 224, width: 256 } } }),
    computation('res4', { preparation: { ...preparation, size: 'keep' } }),
    computation('res4', { preparation: { ...preparation, resample: 'bilinear' } }),
    computation('res4', { preparation: { ...preparation, autoOrient: true } }),
    computation('res4', { preparation: { ...preparation, augment: { names: ['flip'], seed: 1, copy: 0 } } }),
    computation('res4', { preparation: { ...preparation, augment: { names: ['flip'], seed: 1, copy: 1 } } }),
    computation('res4', { preparation: { ...preparation, input: { ...input, mean: [103.939, 116.779, 123.68] } } }),
    computation('res4', { preparation: { ...preparation, input: { ...input, resize: { kind: 'crop', shortSide: 232 } } } }),
    // A prediction looks at the centre, or at ten crops.
    computation('res4', {}, { spec: predict }),
    computation('res4', { preparation: { ...preparation, oversample: true } }, { spec: predict }),
    computation('res4', {}, { engine: { device: 'cuda' } }),
    computation('res4', {}, { engine: { version: 'onnxruntime 2' } }),
    computation('res4', {}, { engine: { name: 'tfjs' } }),
    computation('res4', {}, { cpu: 'x64-avx512.00000000' }),
    computation('res4', {}, { cpu: 'x64-fma.00000001' }),
  ]
  expect(new Set(all).size).toBe(all.length)
})

it('is the same whatever else a run has, and for a vector however maps are pooled', () => {
  expect(computation('pool5', { pool: 'avg' })).toBe(computation('pool5'))
  expect(computation('res4', { preparation: { ...identity.preparation, input } })).toBe(computation('res4'))
  expect(computation('res4', { layers: ['res4'], format: 'parquet' })).toBe(computation('res4'))
})
