import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Notification,
  parseScheduleSpec,
  queueNames,
  type RunDetail,
  type RunSpec,
  type ScheduleSpec,
  type Tick,
} from '@layermill/contracts'
import { type Broker, openBroker } from '@layermill/queue'
import { LayermillError } from '@layermill/core'
import {
  claimPlace,
  findSchedules,
  ScheduleStore,
  type ScheduleWorker,
  StoredSchedules,
  startScheduleWorker,
  TickRunner,
} from '@layermill/orchestrator'
import { openSource, openStore } from '@layermill/storage'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type PostgresService, startPostgres } from '../../../scripts/services/postgres.mjs'
import { startRedis, type RedisService } from '../../../scripts/services/redis.mjs'
import { testFolder } from '../../helpers/folders.js'
import { writeImage } from '../../helpers/images.js'

const folder = testFolder('schedule-ticks')
let count = 0
let source: string
let store: ScheduleStore
let runs: StubRuns
let told: Notification[]
/** The clock of the tests. */
let now: Date

/** Runs that end when the test says so. */
class StubRuns {
  readonly submitted: RunSpec[] = []
  readonly known = new Map<string, RunDetail>()
  failure: LayermillError | undefined

  submit(spec: RunSpec): Promise<RunDetail> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    this.submitted.push(spec)
    const run: RunDetail = {
      id: `extract-${this.submitted.length}`,
      kind: spec.kind,
      state: 'running',
      source: spec.source,
      model: spec.model,
      out: spec.out,
      counts: { images: 0, done: 0, failed: 0, parts: 0 },
      created: now.toISOString(),
      generation: 0,
      spec: { ...spec },
      planned: false,
    }
    this.known.set(run.id, run)
    return Promise.resolve(run)
  }

  get(id: string): Promise<RunDetail> {
    const run = this.known.get(id)
    return run === undefined ? Promise.reject(new LayermillError('RUN_UNKNOWN', `no run ${id}`)) : Promise.resolve(run)
  }

  end(id: string, state: RunDetail['state'] = 'done'): void {
    const run = this.known.get(id)!
    run.state = state
    run.finished = now.toISOString()
  }
}

const environment = (note?: (text: string) => void) => ({
  runs,
  now: () => now,
  note,
  openSource: (url: string) => openSource(url),
  openStore: async (url: string) => openStore(url),
  notify: (notification: Notification) => {
    told.push(notification)
    return Promise.resolve()
  },
})

function scheduleOf(change: Partial<Pick<ScheduleSpec, 'overlap' | 'missed' | 'unchanged' | 'cron'>> = {}): ScheduleSpec {
  return parseScheduleSpec({
    name: 'nightly',
    cron: '0 3 * * *',
    ...change,
    spec: { kind: 'extract', source, model: 'resnet50', out: join(source, '../out') },
  })
}

async function added(change?: Parameters<typeof scheduleOf>[0]): Promise<TickRunner> {
  const time = now.toISOString()
  await store.add({ version: 1, schedule: scheduleOf(change), paused: false, created: time, changed: time, since: time })
  return new TickRunner(store, environment())
}

/** A tick at the test's time; what became of it. */
async function tick(
  runner: TickRunner,
  id: string,
  change: { due?: Date; manual?: boolean; lastTry?: boolean } = {},
): Promise<Tick | undefined> {
  await runner.tick('nightly', { id, due: now, manual: false, lastTry: false, ...change })
  return (await store.history('nightly')).ticks.find(known => known.id === id)
}

beforeEach(async () => {
  const place = join(await folder(), String(count++))
  source = join(place, 'images')
  await mkdir(source, { recursive: true })
  await writeImage(source, 'a.png', 1)
  store = new ScheduleStore(openStore(join(place, 'state')))
  runs = new StubRuns()
  told = []
  now = new Date('2027-01-01T03:00:00Z')
})

it('runs again, though nothing has changed, where images failed for a reason that may have passed', async () => {
  const runner = await added()
  await tick(runner, 't1')
  runs.end('extract-1')
  runs.known.get('extract-1')!.failures = [{ key: 'a.png', code: 'IMAGE_UNREADABLE', reason: 'cannot read' }]
  expect(await tick(runner, 't2')).toMatchObject({ state: 'running', run: 'extract-2' })
  runs.end('extract-2')
  runs.known.get('extract-2')!.failures = [{ key: 'a.png', code: 'IMAGE_CORRUPT', reason: 'damaged' }]
  expect(await tick(runner, 't3')).toMatchObject({ state: 'skipped', reason: 'unchanged' })
})

it('runs where images changed since the last good run, and not otherwise', async () => {
  const runner = await added()
  expect(await tick(runner, 't1')).toMatchObject({ state: 'running', run: 'extract-1' })
  expect(runs.submitted[0]).toMatchObject({ update: true })
  // The same tick taken up again, by whoever, changes nothing.
  expect(await tick(runner, 't1')).toMatchObject({ state: 'running', run: 'extract-1' })
  runs.end('extract-1', 'failed')
  expect(await tick(runner, 't2')).toMatchObject({ state: 'running', run: 'extract-2' })
  runs.end('extract-2')
  expect(await tick(runner, 't3')).toMatchObject({ state: 'skipped', reason: 'unchanged' })
  expect(await tick(runner, 't4', { manual: true })).toMatchObject({ state: 'running', run: 'extract-3', manual: true })
  runs.end('extract-3')
  await writeImage(source, 'b.png', 2)
  expect(await tick(runner, 't5')).toMatchObject({ state: 'running', run: 'extract-4' })
  expect((await store.history('nightly')).ticks.map(({ state }) => state)).toEqual(['running', 'done', 'skipped', 'done', 'failed'])
})

it('never has two runs under way: leaves ticks out, or lets one wait', async () => {
  const skipping = await added({ unchanged: 'run' })
  await tick(skipping, 't1')
  expect(await tick(skipping, 't2')).toMatchObject({ state: 'skipped', reason: 'overlap' })
  await store.remove('nightly')
  runs = new StubRuns()
  const queueing = await added({ overlap: 'queue', unchanged: 'run' })
  await tick(queueing, 't1')
  expect(await tick(queueing, 't2')).toMatchObject({ state: 'queued' })
  expect(await tick(queueing, 't3')).toMatchObject({ state: 'skipped', reason: 'overlap' })
  expect(await tick(queueing, 't2')).toMatchObject({ state: 'queued' })
  runs.end('extract-1')
  expect(await tick(queueing, 't2')).toMatchObject({ state: 'running', run: 'extract-2' })
})

it('decides once where several processes take ticks up at the same moment', async () => {
  await added({ unchanged: 'run' })
  const outcomes = await Promise.all(Array.from({ length: 5 }, (_, i) => tick(new TickRunner(store, environment()), `t${i}`)))
  expect(outcomes.map(outcome => outcome?.state ?? '').toSorted((a, b) => a.localeCompare(b))).toEqual([
    'running',
    'skipped',
    'skipped',
    'skipped',
    'skipped',
  ])
  expect(runs.submitted).toHaveLength(1)
})

it('makes up for a missed tick, or leaves it out', async () => {
  const due = new Date(now.getTime() - 3600_000)
  expect(await tick(await added({ missed: 'skip' }), 't1', { due })).toMatchObject({ state: 'skipped', reason: 'missed' })
  await store.remove('nightly')
  expect(await tick(await added({ missed: 'run' }), 't1', { due })).toMatchObject({ state: 'running', due: due.toISOString() })
})

it('tries again what can pass, and tells of what cannot', async () => {
  const runner = await added()
  runs.failure = new LayermillError('UNAVAILABLE', 'the queue is away')
  await expect(tick(runner, 't1')).rejects.toThrow('the queue is away')
  runs.failure = undefined
  expect(await tick(runner, 't1')).toMatchObject({ state: 'running' })
  runs.end('extract-1')
  runs.failure = new LayermillError('RUN_CONFLICT', 'another run is there')
  expect(await tick(runner, 't2', { manual: true })).toMatchObject({ state: 'failed', error: { code: 'RUN_CONFLICT' } })
  expect(told).toMatchObject([{ event: 'schedule.failed', data: { schedule: 'nightly', tick: 't2', error: { code: 'RUN_CONFLICT' } } }])
})

it('goes on after a run that the queue has forgotten', async () => {
  const runner = await added()
  await tick(runner, 't1')
  runs.known.clear()
  expect(await tick(runner, 't2')).toMatchObject({ state: 'running', run: 'extract-2' })
  expect((await store.history('nightly')).ticks.at(-1)).toMatchObject({ id: 't1', state: 'lost' })
})

/** Ticking by a queue of each kind. */
let redis: RedisService
let postgres: PostgresService
beforeAll(async () => {
  ;[redis, postgres] = await Promise.all([startRedis(), startPostgres()])
})
afterAll(() => Promise.all([redis?.stop(), postgres?.stop()]))

/** Resolves with the first note that matches. */
function noting(): { note: (text: string) => void; until: (pattern: RegExp, times?: number) => Promise<string> } {
  const notes: string[] = []
  let wake = (): void => undefined
  return {
    note: text => {
      notes.push(text)
      wake()
    },
    async until(pattern, times = 1) {
      for (;;) {
        const found = notes.filter(text => pattern.test(text))
        if (found.length >= times) return found[times - 1]!
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    },
  }
}

/** Returns the runs that were submitted. */
async function ticking(broker: Broker, wipe: (() => Promise<void>) | undefined): Promise<number> {
  now = new Date()
  const clock = setInterval(() => {
    now = new Date()
  }, 50)
  const { note, until } = noting()
  let worker: ScheduleWorker | undefined
  try {
    await claimPlace(broker, store, false)
    const schedules = new StoredSchedules(broker, await findSchedules(broker, async url => openStore(url)))
    await schedules.add(scheduleOf({ cron: '* * * * * *', unchanged: 'run' }))
    worker = startScheduleWorker(broker, store, environment(note), { interval: 200 })
    await until(/is run extract-1$/)
    await until(/skipped: overlap/)
    runs.end('extract-1')
    await until(/is run extract-2$/)
    if (wipe !== undefined) {
      await wipe()
      runs.end('extract-2')
      await until(/is run extract-3$/)
    }
    await schedules.pause('nightly')
    expect(await broker.queue(queueNames.schedules).getJobSchedulers()).toEqual([])
    const asked = await schedules.run('nightly')
    await until(new RegExp(`tick ${asked.tick} skipped: overlap`))
    await schedules.remove('nightly')
    await expect(schedules.get('nightly')).rejects.toMatchObject({ code: 'SCHEDULE_UNKNOWN' })
    return runs.submitted.length
  } finally {
    clearInterval(clock)
    await worker?.close()
    await broker.close()
  }
}

it('starts another schedule where the features of a good run drift, once', async () => {
  now = new Date()
  const broker = await openBroker()
  const { note, until } = noting()
  const found = [0.2, 0.004]
  const asked: string[] = []
  let worker: ScheduleWorker | undefined
  try {
    await claimPlace(broker, store, false)
    const schedules = new StoredSchedules(broker, await findSchedules(broker, async url => openStore(url)))
    const rare = scheduleOf({ cron: '0 0 1 1 *', unchanged: 'run' })
    const drift = { reference: '/past', layer: 'fc', level: 0.01, start: 'retrain' }
    await expect(schedules.add({ ...rare, drift: { ...drift, start: 'nightly' } })).rejects.toThrow(
      'drift.start: got nightly, expected another schedule',
    )
    await schedules.add({ ...rare, name: 'retrain' })
    await schedules.add({ ...rare, drift })
    const test = async (out: string, { reference, layer }: { reference: string; layer: string }): Promise<number> => {
      asked.push(`${out} ${reference} ${layer}`)
      return found.shift()!
    }
    worker = startScheduleWorker(broker, store, { ...environment(note), drift: test }, { interval: 100 })
    await schedules.run('nightly')
    await until(/is run extract-1$/)
    runs.end('extract-1')
    await until(/drift: p 0\.200$/)
    await schedules.run('nightly')
    await until(/nightly.* is run extract-2$/)
    runs.end('extract-2')
    await until(/drift: p 0\.00400, starts retrain$/)
    await until(/schedule retrain: tick drift-.* is run extract-3$/)
    expect((await schedules.get('nightly')).history.map(tick => tick.drift)).toEqual([{ p: 0.004, started: 'retrain' }, { p: 0.2 }])
    expect(asked).toEqual(Array.from({ length: 2 }, () => `${join(source, '../out')} /past fc`))
  } finally {
    await worker?.close()
    await broker.close()
  }
})

it('ticks on the embedded queue', async () => {
  expect(await ticking(await openBroker(), undefined)).toBe(2)
})

it('ticks on PostgreSQL', async () => {
  expect(await ticking(await openBroker(postgres.url), undefined)).toBe(2)
})

it('ticks on Redis, also after Redis was wiped', async () => {
  const broker = await openBroker(redis.url)
  const submitted = await ticking(broker, async () => {
    const { Redis } = await import('ioredis')
    const client = new Redis(redis.url)
    await client.flushall()
    await client.quit()
  })
  expect(submitted).toBe(3)
})
