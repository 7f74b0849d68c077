import { queueNames } from '@layermill/contracts'
import { type Broker, openBroker } from '@layermill/queue'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { QueueFleetService } from './queue-fleet-service.js'

let broker: Broker
let fleet: QueueFleetService
const resumed: string[] = []

beforeAll(async () => {
  broker = await openBroker()
  fleet = new QueueFleetService(broker, { resumeRun: id => Promise.resolve(resumed.push(id)) })
})
afterAll(() => broker?.close())
beforeEach(async () => {
  for (const name of Object.values(queueNames)) await broker.queue(name).obliterate({ force: true })
})

/** Has a worker take one job of a queue, which then ends as told; resolves when it has ended. */
async function work(name: string, how: () => Promise<unknown>): Promise<void> {
  const worker = broker.worker(name, how)
  await new Promise<void>(resolve => {
    worker.on('completed', () => resolve())
    worker.on('failed', () => resolve())
  })
  await worker.close()
}

const once = { attempts: 1 }
const all = { limit: 100, offset: 0 }
const part = (i: number): object => ({ v: 1, run: 'extract-1', store: 's3://bucket/out', part: i, generation: 0 })

it('shows why a job failed, without credentials, and tries it again with all its attempts', async () => {
  const queue = broker.queue<object>(queueNames.parts)
  await queue.add(
    'extract',
    { ...part(0), store: 'redis://user:hunter2@host/out', deep: [{ at: 's3://key:hunter2@bucket/x' }] },
    { ...once, jobId: 'extract-1_0_0' },
  )
  await work(queueNames.parts, () => Promise.reject(new Error('STORE_DENIED: http://me:hunter2@store says no')))
  const { jobs, counts } = await fleet.jobs(queueNames.parts, { state: 'failed', ...all })
  expect(counts).toMatchObject({ failed: 1, waiting: 0 })
  expect(jobs).toMatchObject([
    {
      id: 'extract-1_0_0',
      name: 'extract',
      state: 'failed',
      run: 'extract-1',
      attempts: 1,
      attemptsAllowed: 1,
      error: { code: 'STORE_DENIED', message: 'http://***@store says no' },
      data: { part: 0, store: 'redis://***@host/out', deep: [{ at: 's3://***@bucket/x' }] },
    },
  ])
  expect(jobs[0]).toHaveProperty('finished')
  expect(JSON.stringify(jobs)).not.toMatch(/hunter2|stack/)
  expect(await fleet.retryJob(queueNames.parts, 'extract-1_0_0')).toMatchObject({ state: 'waiting', attempts: 0 })
  await expect(fleet.retryJob(queueNames.parts, 'extract-1_0_0')).rejects.toMatchObject({ code: 'JOB_NOT_FAILED' })
})

it('lists a page at a time: the latest first', async () => {
  const queue = broker.queue<object>(queueNames.parts)
  for (let i = 0; i < 5; i++) await queue.add('extract', part(i), { jobId: `extract-1_0_${i}` })
  for (const hours of [2, 1]) await queue.add('extract', part(9), { jobId: `in-${hours}`, delay: hours * 3_600_000 })
  const first = await fleet.jobs(queueNames.parts, { state: 'waiting', limit: 2, offset: 0 })
  expect(first).toMatchObject({ next: 2, counts: { waiting: 5, delayed: 2 }, jobs: [{ id: 'extract-1_0_4' }, { id: 'extract-1_0_3' }] })
  const last = await fleet.jobs(queueNames.parts, { state: 'waiting', limit: 2, offset: 4 })
  expect(last.jobs.map(({ id }) => id)).toEqual(['extract-1_0_0'])
  expect(last.next).toBeUndefined()
  const delayed = (await fleet.jobs(queueNames.parts, { state: 'delayed', ...all })).jobs
  expect(delayed.map(({ id, due = '', added }) => [id, Date.parse(due) - Date.parse(added)])).toEqual([
    ['in-1', 3_600_000],
    ['in-2', 7_200_000],
  ])
  for (let i = 0; i < 2; i++) await work(queueNames.parts, () => Promise.resolve({ images: 1, failed: 0 }))
  const { jobs } = await fleet.jobs(queueNames.parts, { state: 'completed', ...all })
  const finished = jobs.map(job => job.finished ?? '')
  expect(finished.length).toBeGreaterThan(1)
  expect(finished).toEqual([...finished].sort().reverse())
})

it('removes jobs, but none that a worker has', async () => {
  const queue = broker.queue<object>(queueNames.parts)
  await queue.add('extract', part(0), { jobId: 'waits' })
  await fleet.removeJob(queueNames.parts, 'waits')
  await expect(fleet.removeJob(queueNames.parts, 'waits')).rejects.toMatchObject({ code: 'JOB_UNKNOWN' })
  await queue.add('extract', part(1), { jobId: 'taken' })
  const refused: unknown[] = []
  await work(queueNames.parts, async () => {
    refused.push(
      await fleet.removeJob(queueNames.parts, 'taken').catch((error: unknown) => error),
      await fleet.retryJob(queueNames.parts, 'taken').catch((error: unknown) => error),
    )
    refused.push((await fleet.jobs(queueNames.parts, { state: 'active', ...all })).jobs)
  })
  expect(refused).toMatchObject([{ code: 'JOB_ACTIVE' }, { code: 'JOB_NOT_FAILED' }, [{ id: 'taken', state: 'active' }]])
})

it('resumes a run instead of its job, and lets only ended runs be removed', async () => {
  const queue = broker.queue<object>(queueNames.runs)
  await queue.add('extract', { v: 1, run: 'extract-1', store: '/out' }, { ...once, jobId: 'extract-1' })
  await expect(fleet.removeJob(queueNames.runs, 'extract-1')).rejects.toMatchObject({ code: 'RUN_ACTIVE' })
  await work(queueNames.runs, () => Promise.reject(new Error('SOURCE_MISSING: gone')))
  await fleet.retryJob(queueNames.runs, 'extract-1')
  expect(resumed).toEqual(['extract-1'])
  await fleet.removeJob(queueNames.runs, 'extract-1')
  // A run that failed may have ended its job well.
  await queue.add('extract', { v: 1, run: 'extract-2', store: '/out' }, { jobId: 'extract-2' })
  await work(queueNames.runs, () =>
    Promise.resolve({ id: 'extract-2', state: 'failed', error: { code: 'TOO_MANY_ERRORS', message: '3 images failed' } }),
  )
  expect((await fleet.jobs(queueNames.runs, { state: 'completed', ...all })).jobs).toMatchObject([
    { run: 'extract-2', error: { code: 'TOO_MANY_ERRORS', message: '3 images failed' } },
  ])
})

it('knows its queues, and tells no path of a webhook', async () => {
  for (const name of ['layermill-state', 'layermill-workers', 'bull', '__proto__'])
    await expect(fleet.jobs(name, { state: 'failed', ...all })).rejects.toMatchObject({ code: 'QUEUE_UNKNOWN' })
  await broker
    .queue<object>(queueNames.webhooks)
    .add('delivery', { kind: 'delivery', url: 'https://hooks.example.org/T0/secret', urls: ['https://a.example.org/secret'] })
  const { jobs } = await fleet.jobs(queueNames.webhooks, { state: 'waiting', ...all })
  expect(jobs).toMatchObject([{ data: { url: 'https://hooks.example.org', urls: ['https://a.example.org'] } }])
})
