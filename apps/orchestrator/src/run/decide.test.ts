import { type ExtractSpec, parseSpec, type RunIdentity, type RunRecord, type RunState } from '@layermill/contracts'
import { getNetwork, preparedAs } from '@layermill/models'
import { describe, expect, it } from 'vitest'
import { decideAction } from './decide.js'
import { runIdentity } from './identity.js'

const spec = (flags: Record<string, unknown> = {}): ExtractSpec =>
  parseSpec({ kind: 'extract', source: '/photos', model: 'resnet50', out: '/features', ...flags }) as ExtractSpec

const identity: RunIdentity = {
  model: 'resnet50',
  weights: 'a'.repeat(64),
  layers: ['pool5'],
  preparation: { version: '1', size: { height: 224, width: 224 }, resample: 'bicubic', autoOrient: false, oversample: false },
  precision: 'fp32',
  pool: 'none',
  dtype: 'float32',
  format: 'npy',
}

function record(state: RunState, failed = 0): RunRecord {
  return {
    version: 1,
    id: 'extract-1',
    state,
    generation: 0,
    spec: spec(),
    identity,
    layers: [],
    partSize: 512,
    batchSize: 8,
    planned: true,
    counts: { images: 10, done: 10 - failed, failed, parts: 1 },
    created: '2026-01-01T00:00:00Z',
    versions: {},
  }
}

describe('decideAction', () => {
  it.each([
    ['create', undefined, {}],
    ['create', undefined, { update: true }],
    ['resume', record('running'), {}],
    ['resume', record('planning'), { update: true }],
    ['resume', record('failed'), {}],
    ['complete', record('done'), {}],
    ['complete', record('done'), { retryFailed: true }],
    ['retry', record('done', 2), { retryFailed: true }],
    ['update', record('done'), { update: true }],
    ['replace', record('done'), { overwrite: true }],
  ] as const)('%s', (action, existing, flags) => {
    expect(decideAction(existing, { spec: spec(flags), identity }, '/features')).toBe(action)
  })

  it('refuses another run and names what differs', () => {
    const other = { ...identity, layers: ['res4'], dtype: 'float16' }
    const decide = (): string => decideAction(record('running'), { spec: spec({ source: '/others' }), identity: other }, '/features')
    expect(decide).toThrow(/source was \/photos, is \/others; layers was pool5, is res4; dtype was float32/)
  })

  it('takes up a run of an earlier version, whose preparation was the table’s, but not with another preparation', () => {
    const now = (name?: string) =>
      runIdentity({
        spec: spec(),
        network: preparedAs(getNetwork('resnet50'), name),
        weightsSha256: identity.weights,
        preparationVersion: '1',
      })
    expect(decideAction(record('running'), { spec: spec(), identity: now() }, '/features')).toBe('resume')
    expect(
      decideAction({ ...record('done'), identity: now() }, { spec: spec({ update: true }), identity: now('chainer') }, '/features'),
    ).toBe('update')
    expect(() => decideAction(record('running'), { spec: spec(), identity: now('keras') }, '/features')).toThrow(
      /another run: preparation was .*103\.063.* is .*103\.939/,
    )
  })

  it('lets flags differ that do not change the results', () => {
    expect(decideAction(record('running'), { spec: spec({ device: 'cuda', maxErrors: 5, batchSize: 2 }), identity }, '/features')).toBe(
      'resume',
    )
  })

  it('refuses to retry what is not there', () => {
    expect(() => decideAction(undefined, { spec: spec({ retryFailed: true }), identity }, '/features')).toThrow(/no run at \/features/)
  })
})
