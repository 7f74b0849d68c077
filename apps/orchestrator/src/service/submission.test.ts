import { describe, expect, it } from 'vitest'
import { parseSpec, type RunRecord, type RunSpec } from '@layermill/contracts'
import { getNetwork } from '@layermill/models'
import { runIdentity } from '../run/identity.js'
import { checkReachable } from '../check/check-reachable.js'
import { likeness, runIdFor } from './submission.js'

const spec = (more: Record<string, unknown> = {}): RunSpec =>
  parseSpec({
    kind: 'extract',
    source: '/photos',
    model: 'googlenet',
    weights: 'random:1',
    layers: ['conv2'],
    size: '32x32',
    out: '/features',
    ...more,
  })

function record(of: RunSpec, more: Partial<RunRecord> = {}): RunRecord {
  if (of.kind === 'finetune') throw new Error('of images only')
  const identity = runIdentity({ spec: of, network: getNetwork(of.model), weightsSha256: 'a'.repeat(64), preparationVersion: '1' })
  return {
    version: 1,
    id: 'extract-1',
    state: 'done',
    generation: 0,
    spec: of,
    identity,
    layers: [],
    partSize: 8,
    batchSize: 8,
    planned: true,
    counts: { images: 240, done: 240, failed: 0, parts: 30 },
    created: '',
    versions: {},
    ...more,
  }
}

const newId = (): string => 'extract-2'

describe('likeness', () => {
  it.each([
    [{ size: '64x64' }, 'size'],
    [{ layers: ['pool5'] }, 'layers'],
    [{ pool: 'avg' }, 'pool'],
    [{ dtype: 'float16' }, 'dtype'],
    [{ format: 'parquet' }, 'format'],
    [{ source: '/pets' }, 'source'],
    [{ model: 'vgg16', layers: ['fc7'], size: undefined }, 'model'],
  ])('%o is another run', (more, field) => {
    const found = likeness(record(spec()), spec(more))
    expect(found).toMatchObject({ kind: 'other', difference: expect.stringMatching(new RegExp(`^${field} was `)) })
  })

  it.each([{}, { partSize: 4 }, { maxErrors: 3 }, { update: true }, { retryFailed: true }, { device: 'cpu' }, { cache: '/cache' }])(
    '%o is the same run',
    more => {
      expect(likeness(record(spec()), spec(more)).kind).toBe('same')
      expect(runIdFor(record(spec()), spec(more), newId)).toBe('extract-1')
    },
  )

  it('is left open where the weights are needed to tell, and a finished run keeps its record then', () => {
    const other = spec({ weights: 'random:2' })
    expect(likeness(record(spec()), other).kind).toBe('unclear')
    expect(runIdFor(record(spec()), other, newId)).toBe('extract-2')
    expect(runIdFor(record(spec(), { state: 'running' }), other, newId)).toBe('extract-1')
  })

  it('takes a default that is written out for what it is', () => {
    const byDefault = spec({ layers: undefined, size: undefined })
    const { identity } = record(byDefault)
    expect(likeness(record(byDefault), spec({ layers: identity.layers, size: undefined })).kind).toBe('same')
  })
})

describe('checkReachable', () => {
  const open = (error?: Error) => ({
    openSource: () =>
      error === undefined
        ? Promise.resolve({ close: () => Promise.resolve(), [Symbol.asyncDispose]: () => Promise.resolve() } as never)
        : Promise.reject(error),
  })

  it('refuses what is not there, and leaves what may pass for later', async () => {
    await checkReachable(spec(), open())
    await expect(checkReachable(spec(), open(Object.assign(new Error('gone'), { code: 'SOURCE_MISSING' })))).rejects.toMatchObject({
      code: 'SOURCE_MISSING',
    })
    await checkReachable(spec(), open(Object.assign(new Error('away'), { code: 'SOURCE_UNREACHABLE' })))
    await expect(checkReachable(spec({ weights: '/none/w.npz' }), open())).rejects.toMatchObject({ code: 'WEIGHTS_NOT_FOUND' })
  })
})
