import type { AnalysisJob, RunDetail } from '@layermill/contracts'
import { parseSpec, queueNames } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { type Broker, openBroker } from '@layermill/queue'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type CarryOutAnalysis, QueueAnalyses, startAnalysisWorker } from './analyses.js'

let broker: Broker
let analyses: QueueAnalyses
let state: RunDetail['state']

const few = ['res4', 'pool5'].map(name => ({ name }))
let layers = few

beforeAll(async () => {
  broker = await openBroker()
  const get = (id: string): Promise<RunDetail> => {
    const spec = parseSpec({ kind: 'extract', source: '/data/images', model: 'googlenet', layers: 'pool5', out: `/data/${id}/` })
    if (id === 'extract-none') return Promise.reject(new LayermillError('RUN_UNKNOWN', 'no such run'))
    return Promise.resolve({ id, kind: 'extract', state, layers, spec } as unknown as RunDetail)
  }
  analyses = new QueueAnalyses(broker, { get })
})
afterAll(() => broker?.close())
beforeEach(async () => {
  state = 'done'
  layers = few
  await broker.queue(queueNames.analyses).obliterate({ force: true })
})

interface Settled<Value> {
  readonly promise: Promise<Value>
  readonly resolve: (value: Value) => void
  readonly reject: (error: Error) => void
}

/** A promise that the test settles. */
function settled<Value>(): Settled<Value> {
  let [resolve, reject]: [Settled<Value>['resolve'], Settled<Value>['reject']] = [() => undefined, () => undefined]
  const promise = new Promise<Value>((yes, no) => {
    resolve = yes
    reject = no
  })
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}

/** An analysis that is carried out when the test says so. */
function held(): { carryOut: CarryOutAnalysis; begun: Promise<AnalysisJob & { out: string }>; end: (error?: Error) => void } {
  const begun = settled<AnalysisJob & { out: string }>()
  const ended = settled<void>()
  const carryOut: CarryOutAnalysis = (job, signal) => {
    begun.resolve(job)
    signal.addEventListener('abort', () => ended.reject(new Error('stopped')))
    return ended.promise
  }
  return { carryOut, begun: begun.promise, end: error => (error === undefined ? ended.resolve() : ended.reject(error)) }
}

const stateOf = async (): Promise<string | undefined> => (await analyses.list('extract-1'))[0]?.state

it('queues an analysis once, carries it out in the folder of the run, and tells its state', async () => {
  const first = await analyses.start('extract-1', { kind: 'audit' })
  expect(first).toMatchObject({ kind: 'audit', state: 'waiting', layers: 'pool5', out: '/data/extract-1/audit', attempts: 0 })
  expect(await analyses.start('extract-1', { kind: 'audit', layer: 'res4' })).toMatchObject({ layers: 'pool5', added: first.added })
  const { carryOut, begun, end } = held()
  const worker = startAnalysisWorker(broker, { carryOut })
  expect(await begun).toEqual({
    v: 1,
    run: 'extract-1',
    store: '/data/extract-1',
    kind: 'audit',
    layers: 'pool5',
    others: [],
    blocks: 0,
    out: '/data/extract-1/audit',
  })
  expect(await stateOf()).toBe('running')
  end()
  await expect.poll(stateOf).toBe('done')
  // Another one takes the place of one that has ended.
  expect(await analyses.start('extract-1', { kind: 'audit', layer: 'res4' })).toMatchObject({ layers: 'res4' })
  await expect.poll(stateOf).toBe('done')
  expect((await analyses.list('extract-1')).map(({ kind, layers: of }) => [kind, of])).toEqual([['audit', 'res4']])
  await worker.close()
})

it('carries out settings, and names the places of runs in them', async () => {
  const settings = { heldOut: 'extract-2', labels: 5, update: true }
  await analyses.start('extract-1', { kind: 'audit', settings })
  const { carryOut, begun, end } = held()
  const worker = startAnalysisWorker(broker, { carryOut })
  expect(await begun).toMatchObject({ audit: { heldOut: '/data/extract-2', labels: 5, update: true } })
  end()
  await worker.close()
  await expect(analyses.start('extract-1', { kind: 'audit', settings: { heldOut: 'extract-none' } })).rejects.toMatchObject({
    code: 'RUN_UNKNOWN',
  })
})

it('forgets an analysis that waits and ends one that runs where it is cancelled', async () => {
  await analyses.start('extract-1', { kind: 'audit' })
  await analyses.cancel('extract-1', 'audit')
  expect(await analyses.list('extract-1')).toEqual([])
  await expect(analyses.cancel('extract-1', 'audit')).rejects.toMatchObject({ code: 'NOT_RECORDED' })
  await analyses.start('extract-1', { kind: 'audit' })
  const { carryOut, begun } = held()
  const worker = startAnalysisWorker(broker, { carryOut, cancelInterval: 10 })
  await begun
  await analyses.cancel('extract-1', 'audit')
  await expect.poll(stateOf).toBe('failed')
  expect(await analyses.list('extract-1')).toMatchObject([{ error: { code: 'ANALYSIS_CANCELLED' } }])
  await worker.close()
})

it('hands an analysis back as its process stops, for another one, and counts no attempt', async () => {
  await analyses.start('extract-1', { kind: 'compare', with: ['extract-2'], layers: 'res*' })
  const one = held()
  const worker = startAnalysisWorker(broker, one)
  await one.begun
  await worker.close()
  expect(await analyses.list('extract-1')).toMatchObject([{ state: 'waiting', attempts: 0 }])
  const two = held()
  const other = startAnalysisWorker(broker, two)
  expect(await two.begun).toMatchObject({ kind: 'compare', layers: 'res*', others: ['/data/extract-2'], out: '/data/extract-1/compare' })
  two.end()
  await expect.poll(stateOf).toBe('done')
  await other.close()
})

it('gives the blocks of a large comparison to whoever is free, and puts them together once all have ended', async () => {
  layers = Array.from({ length: 6 }, (_, i) => ({ name: `res${i}` }))
  const begun: (number | undefined)[] = []
  const last = settled<void>()
  const carryOut: CarryOutAnalysis = ({ block, blocks }) => {
    expect(blocks).toBe(4)
    begun.push(block)
    if (block === 1) return Promise.reject(new LayermillError('FEATURES_MISSING', 'a block that fails'))
    return block === 3 ? last.promise : Promise.resolve()
  }
  await analyses.start('extract-1', { kind: 'compare' })
  const workers = [startAnalysisWorker(broker, { carryOut }), startAnalysisWorker(broker, { carryOut })]
  const own = async (): Promise<string | undefined> => (await broker.queue(queueNames.analyses).getJob('compare-extract-1'))?.getState()
  await expect.poll(own).toBe('delayed')
  expect(new Set(begun)).toEqual(new Set([0, 1, 2, 3]))
  expect(await stateOf()).toBe('running')
  // A second request meanwhile gives the one that runs.
  expect(await analyses.start('extract-1', { kind: 'compare' })).toMatchObject({ state: 'running', attempts: 0 })
  last.resolve()
  await expect.poll(stateOf).toBe('done')
  expect([begun.length, begun.at(-1)]).toEqual([5, undefined])
  await analyses.start('extract-1', { kind: 'compare' })
  await expect.poll(stateOf).toBe('done')
  expect(begun.length).toBe(10)
  await Promise.all(workers.map(worker => worker.close()))
})

it('tells why an analysis failed, without credentials, and takes it again when it is asked for', async () => {
  await analyses.start('extract-1', { kind: 'audit' })
  const { carryOut, end } = held()
  const worker = startAnalysisWorker(broker, { carryOut })
  end(new LayermillError('FEATURES_MISSING', 's3://key:hunter2@bucket/run lacks a file'))
  await expect.poll(stateOf).toBe('failed')
  const [failed] = await analyses.list('extract-1')
  expect(failed).toMatchObject({ attempts: 1, error: { code: 'FEATURES_MISSING' } })
  expect(JSON.stringify(failed)).not.toContain('hunter2')
  await worker.close()
  expect(await analyses.start('extract-1', { kind: 'audit' })).toMatchObject({ state: 'waiting', attempts: 0 })
})

it('refuses runs without features, and layers that are not there', async () => {
  await expect(analyses.start('extract-1', { kind: 'audit', layer: 'fc7' })).rejects.toMatchObject({ code: 'LAYER_MISSING' })
  state = 'running'
  await expect(analyses.start('extract-1', { kind: 'audit' })).rejects.toMatchObject({ code: 'NOT_RECORDED' })
  await expect(analyses.start('extract-none', { kind: 'audit' })).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  await expect(analyses.list('extract-none')).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  expect(await analyses.list('extract-1')).toEqual([])
})
