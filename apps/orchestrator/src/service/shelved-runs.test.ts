import { parseSpec, type RunPage, type RunRecord, type RunService, type RunSummary, serializeRunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { MemoryStore } from '@layermill/storage/testing'
import { expect, it } from 'vitest'
import { ShelfStore } from './run-shelf.js'
import { selectRuns } from './select-runs.js'
import { ShelvedRuns } from './shelved-runs.js'

const counts = { images: 4, done: 4, failed: 0, parts: 1 }

const summary = (id: string, more: Partial<RunSummary> = {}): RunSummary => ({
  ...{ id, kind: 'extract', state: 'done', source: '/photos', model: 'resnet50', out: `/out/${id}`, counts },
  created: '2026-01-02T03:04:05.000Z',
  ...more,
})

const unknown = (id: string): LayermillError => new LayermillError('RUN_UNKNOWN', `The queue knows no run ${id}`)

/** A queue that knows some runs, and forgets them when it is told to. */
function queueOf(runs: RunSummary[]): RunService {
  const find = (id: string) => {
    const run = runs.find(candidate => candidate.id === id)
    const spec = { kind: 'extract', source: '/photos', model: 'resnet50', out: `/out/${id}` }
    return run === undefined ? Promise.reject(unknown(id)) : Promise.resolve({ ...run, generation: 0, planned: true, spec })
  }
  const never = (): never => {
    throw new Error('not asked for here')
  }
  return {
    submit: () => Promise.resolve(runs[0]!),
    plan: never,
    list: query => Promise.resolve(selectRuns(runs, query)),
    get: find,
    cancel: find,
    pause: find,
    resume: find,
    async *events(id) {
      await find(id)
      yield* []
    },
    countByState: () => Promise.resolve({}),
  }
}

const record = (id: string): RunRecord => ({
  ...{ version: 1, id, state: 'done', generation: 0, planned: true, batchSize: 8, partSize: 4, counts, seconds: 3 },
  spec: parseSpec({ kind: 'extract', source: '/photos', model: 'resnet50', out: `/elsewhere/${id}` }),
  identity: {
    ...{ model: 'resnet50', weights: 'abc', layers: ['pool5'], precision: 'float32', pool: 'none', dtype: 'float32', format: 'npy' },
    preparation: { version: '1', size: 'keep', resample: 'bicubic', autoOrient: true, oversample: false },
  },
  layers: [{ name: 'pool5', shape: [2048], dtype: 'float32', bytesPerImage: 8192 }],
  created: '2025-01-02T03:04:05.000Z',
  versions: {},
})

interface World {
  readonly queued: RunSummary[]
  readonly shelved: ShelvedRuns
  readonly shelf: ShelfStore
  readonly stores: Map<string, MemoryStore>
}

function world(...runs: RunSummary[]): World {
  const queued = [...runs]
  const stores = new Map<string, MemoryStore>()
  const shelf = new ShelfStore(new MemoryStore())
  const shelved = new ShelvedRuns(queueOf(queued), shelf, {
    openStore: url => Promise.resolve(stores.get(url) ?? new MemoryStore()),
    checkPlace: place =>
      place.startsWith('/secret') ? Promise.reject(new LayermillError('PLACE_REFUSED', `place: ${place}`)) : Promise.resolve(),
    checkSpec: ({ source }) =>
      source.startsWith('/secret') ? Promise.reject(new LayermillError('PLACE_REFUSED', `source: ${source}`)) : Promise.resolve(),
    note: text => expect.fail(text),
  })
  return { queued, shelved, shelf, stores }
}

const ids = ({ runs }: RunPage): string[] => runs.map(({ id }) => id)

it('lists a run that the queue forgot, with what people said of it', async () => {
  const { queued, shelved, shelf } = world(summary('a'), summary('b', { model: 'vgg16' }))
  await shelved.list({ limit: 10 })
  await expect.poll(async () => (await shelf.get('b'))?.summary.state).toBe('done')
  await shelved.describe('a', { name: ' First ', tags: ['cats', 'cats', 'new'], notes: 'looks well' })
  queued.shift()
  expect(await shelved.list({ limit: 10, search: 'cats first' })).toMatchObject({
    runs: [{ id: 'a', name: 'First', tags: ['cats', 'new'], notes: 'looks well' }],
    total: 1,
  })
  await shelved.describe('b', { tags: ['old'] })
  expect(ids(await shelved.list({ limit: 10, tag: 'old' }))).toEqual(['b'])
  await shelved.describe('b', { tags: [] })
  expect(ids(await shelved.list({ limit: 10, tag: 'old' }))).toEqual([])
  await expect(shelved.describe('c', { name: 'x' })).rejects.toThrow('no run c')
})

it('opens a run from its files where they are allowed, and shows it although it was moved', async () => {
  const { shelved, stores } = world()
  for (const [place, run] of [
    ['/moved/here', record('a')],
    ['/trap', { ...record('b'), spec: { ...record('b').spec, source: '/secret/photos' } }],
  ] as const) {
    stores.set(place, new MemoryStore())
    await stores.get(place)!.put('run.json', serializeRunRecord(run))
    Object.defineProperty(stores.get(place), 'url', { value: place })
  }
  await expect(shelved.open('/secret/run')).rejects.toMatchObject({ code: 'PLACE_REFUSED' })
  await expect(shelved.open('/trap')).rejects.toMatchObject({ code: 'PLACE_REFUSED' })
  await expect(shelved.open('/nothing')).rejects.toMatchObject({ code: 'RUN_MISSING' })
  expect(await shelved.open('/moved/here')).toMatchObject({ id: 'a', seconds: 3, layerNames: ['pool5'] })
  expect(await shelved.get('a')).toMatchObject({ state: 'done', place: '/moved/here' })
  expect(ids(await shelved.list({ limit: 10 }))).toEqual(['a'])
  const events = []
  for await (const event of shelved.events('a', { signal: AbortSignal.timeout(5000) })) events.push(event)
  expect(events).toMatchObject([{ event: 'state', data: { id: 'a', state: 'done' } }])
  stores.delete('/moved/here')
  await expect(shelved.get('a')).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
})

it('puts runs in order, those without the value last, page by page', () => {
  const runs = [
    summary('a', { accuracy: 0.5, created: '2026-01-01' }),
    summary('b', { created: '2026-01-03' }),
    summary('c', { accuracy: 0.9, created: '2026-01-02', name: 'Zebra' }),
  ]
  expect(ids(selectRuns(runs, { limit: 9 }))).toEqual(['b', 'c', 'a'])
  expect(ids(selectRuns(runs, { limit: 9, sort: 'accuracy' }))).toEqual(['c', 'a', 'b'])
  expect(ids(selectRuns(runs, { limit: 9, sort: 'accuracy', order: 'up' }))).toEqual(['a', 'c', 'b'])
  expect(ids(selectRuns(runs, { limit: 9, sort: 'name', order: 'up' }))).toEqual(['a', 'b', 'c'])
  const first = selectRuns(runs, { limit: 2 })
  expect(first).toMatchObject({ next: 'c', total: 3 })
  expect(ids(selectRuns(runs, { limit: 2, cursor: first.next! }))).toEqual(['a'])
  expect(() => selectRuns(runs, { limit: 2, cursor: 'gone' })).toThrow('not listed any more')
})
