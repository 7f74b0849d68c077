import { describe, expect, it } from 'vitest'
import type { Waiting, WorkerBeat } from '@layermill/contracts'
import type { LayermillError } from '@layermill/core'
import { waitsFor, WorkerWatch } from './worker-watch.js'

const time = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString()

const beat = (id: string, more: Partial<WorkerBeat> = {}): WorkerBeat => ({
  id,
  host: 'host',
  state: 'idle',
  device: 'cpu',
  engine: 'onnx',
  version: '1',
  started: time(0),
  seen: time(0),
  jobs: [],
  imagesPerSecond: 0,
  ...more,
})
const doing = (run: string): Pick<WorkerBeat, 'state' | 'jobs'> => ({ state: 'busy', jobs: [{ run, part: 0, done: 0, images: 1 }] })
const unfit = (code: string, second: number, trial = false): Pick<WorkerBeat, 'unfit'> => ({
  unfit: [{ run: 'r', code, reason: `${code} here`, since: time(second), trial }],
})
/** Does not understand one of the run's jobs. */
const tooOld = (second: number): Pick<WorkerBeat, 'unfit'> => ({
  unfit: [{ run: 'r', code: 'PAYLOAD_INVALID', reason: 'part job: tiles: no such field', since: time(second), trial: false, job: 'r_0_1' }],
})

describe('waitsFor', () => {
  it.each([
    ['nobody lives', [], 'no-worker'],
    ['all that live are leaving', [beat('a', { state: 'draining' })], 'no-worker'],
    [
      'all are unfit',
      [beat('a', unfit('SOURCE_MISSING', 1)), beat('b', { ...unfit('STORE_DENIED', 5), ...doing('other') })],
      'workers-unfit',
    ],
    ['those that are fit do another run', [beat('a', doing('other')), beat('b', unfit('SOURCE_MISSING', 1))], 'behind-run'],
    ['all that have nothing to do are too old for what is left', [beat('a', tooOld(1)), beat('b', tooOld(3))], 'workers-unfit'],
    ['those that are too old for some of it do another run', [beat('a', { ...tooOld(1), ...doing('other') })], 'behind-run'],
    ['one that is fit has nothing to do', [beat('a'), beat('b', doing('other'))], undefined],
    ['one is at it', [beat('a', doing('r')), beat('b', unfit('SOURCE_MISSING', 1))], undefined],
    [
      'one is at it whose store is slow',
      [beat('a', { ...doing('r'), waits: [{ reason: 'the store asks to slow down (SlowDown)', since: time(3) }] })],
      'store',
    ],
  ] as const)('%s', (_, beats, code) => {
    expect(waitsFor('r', beats, true)?.code).toBe(code)
  })

  it('names workers, reasons, the run before and since when', () => {
    expect(waitsFor('r', [beat('a', unfit('SOURCE_MISSING', 1)), beat('b', unfit('STORE_DENIED', 5))], true)).toEqual({
      code: 'workers-unfit',
      reason: 'no worker can work on it: a: SOURCE_MISSING: SOURCE_MISSING here; b: STORE_DENIED: STORE_DENIED here',
      since: time(5),
    })
    expect(waitsFor('r', [beat('a', doing('before'))], true)?.reason).toContain('before')
    // Of micro-batches heartbeats do not tell: a worker that seems to do another run may be at this one.
    expect(waitsFor('r', [beat('a', doing('before'))], false)).toBeUndefined()
  })
})

describe('WorkerWatch', () => {
  function watch(beats: { now: readonly WorkerBeat[] }, clock: { now: number }) {
    const told: (Waiting | undefined)[] = []
    const errors: LayermillError[] = []
    const watched = new WorkerWatch({
      run: 'r',
      workers: () => Promise.resolve(beats.now),
      jobsAreTold: true,
      now: () => clock.now,
      interval: 1e9,
      unfitDeadline: 30_000,
      onWaiting: waiting => told.push(waiting),
      onUnfit: error => errors.push(error),
    })
    return { watched, told, errors }
  }

  it('tells each change once, with since when', async () => {
    const beats: { now: readonly WorkerBeat[] } = { now: [] }
    const clock = { now: Date.parse(time(10)) }
    const { watched, told } = watch(beats, clock)
    await watched.look()
    clock.now += 5000
    await watched.look()
    beats.now = [beat('a')]
    await watched.look()
    watched.stop()
    expect(told).toEqual([{ code: 'no-worker', reason: expect.any(String), since: time(10) }, undefined])
  })

  it('tells what its own process waits for where there are no workers, and the run before it where only the queue tells that', async () => {
    const told: (Waiting | undefined)[] = []
    const common = {
      run: 'r',
      jobsAreTold: false,
      interval: 1e9,
      onUnfit: () => undefined,
      onWaiting: (waiting?: Waiting) => told.push(waiting),
    }
    const slow: Waiting = { code: 'store', reason: 'the store asks to slow down (SlowDown)', since: time(3) }
    let trouble: Waiting | undefined = slow
    const alone = new WorkerWatch({ ...common, trouble: () => trouble })
    await alone.look()
    await alone.look()
    trouble = undefined
    await alone.look()
    alone.stop()
    expect(told).toEqual([slow, undefined])

    told.length = 0
    let before: string | undefined = 'first'
    const clock = Date.parse(time(10))
    const training = new WorkerWatch({ ...common, workers: async () => [beat('a')], behind: async () => before, now: () => clock })
    await training.look()
    await training.look()
    before = undefined
    await training.look()
    training.stop()
    expect(told).toEqual([{ code: 'behind-run', reason: 'waiting behind run first', since: time(10) }, undefined])
  })

  it('ends the run once all have been unfit for the deadline, and not while one is on trial or the reason may pass', async () => {
    const beats: { now: readonly WorkerBeat[] } = {
      now: [beat('a', unfit('SOURCE_MISSING', 0)), beat('b', unfit('DEVICE_UNAVAILABLE', 20))],
    }
    const clock = { now: Date.parse(time(49)) }
    const { watched, errors } = watch(beats, clock)
    await watched.look()
    clock.now = Date.parse(time(59))
    beats.now = [beat('a', unfit('SOURCE_MISSING', 0, true)), beat('b', unfit('DEVICE_UNAVAILABLE', 20))]
    await watched.look()
    beats.now = [beat('a', unfit('SOURCE_MISSING', 0)), beat('b', unfit('STORE_UNREACHABLE', 20))]
    await watched.look()
    expect(errors).toEqual([])
    beats.now = [beat('a', unfit('SOURCE_MISSING', 0)), beat('b', unfit('DEVICE_UNAVAILABLE', 20))]
    await watched.look()
    await watched.look()
    watched.stop()
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'WORKERS_UNFIT', message: expect.stringMatching(/a: SOURCE_MISSING.*b: DEVICE_UNAVAILABLE/) })
  })
})
