import { once } from 'node:events'
import { errorMessage } from '@layermill/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addJobs, type Broker } from '../broker.js'
import { openExchange } from '../exchange.js'

export interface BrokerContract {
  /** Opens a broker; called more than once where `shared`, each reaching the same server. */
  open: () => Promise<Broker>
  /** Whether two brokers see the same queues (a server), or each has its own (embedded). */
  shared: boolean
}

/** A promise with its functions, and what has arrived so far. */
function gathered<T>(count: number): { add(value: T): void; all: Promise<T[]>; values: T[] } {
  const values: T[] = []
  let finish: (values: T[]) => void = () => undefined
  const all = new Promise<T[]>(resolve => {
    finish = resolve
  })
  return {
    values,
    all,
    add: value => {
      if (values.push(value) === count) finish(values)
    },
  }
}

/** Holds a processor until opened. */
function gate(): { open(): void; passed: Promise<void> } {
  let open = (): void => undefined
  const passed = new Promise<void>(resolve => {
    open = resolve
  })
  return { open, passed }
}

const part = (i: number): { name: string; data: { i: number } } => ({ name: 'part', data: { i } })

/** Work done, tried again, taken up again. */
function workTests(broker: () => Broker, unique: () => string): void {
  it('does 1,000 jobs with several workers, each once', async () => {
    const queue = broker().queue<{ i: number }>(unique())
    expect(
      await addJobs(
        queue,
        Array.from({ length: 1000 }, (_, i) => part(i)),
      ),
    ).toBe(1000)
    expect(await broker().counts(queue.name)).toMatchObject({ waiting: 1000, active: 0, load: 1000, paused: false })
    const done = gathered<number>(1000)
    const workers = [1, 2, 3].map(() =>
      broker().worker<{ i: number }, number>(queue.name, job => Promise.resolve(job.data.i * 2), { concurrency: 2 }),
    )
    for (const worker of workers)
      worker.on('completed', (job, result) => {
        if (result === job.data.i * 2) done.add(job.data.i)
      })
    expect(new Set(await done.all).size).toBe(1000)
    await Promise.all(workers.map(worker => worker.close()))
    expect(done.values).toHaveLength(1000)
    expect(await broker().counts(queue.name)).toMatchObject({ waiting: 0, active: 0, completed: 1000, failed: 0, load: 0 })
  })

  it('tries a failing job again, later, and tells why one failed for good', async () => {
    const queue = broker().queue<{ until: number }>(unique())
    const failed = gathered<string>(1)
    const completed = gathered<number>(1)
    const worker = broker().worker<{ until: number }, string>(queue.name, job =>
      job.attemptsMade < job.data.until ? Promise.reject(new Error(`attempt ${job.attemptsMade}`)) : Promise.resolve('well'),
    )
    worker.on('completed', job => completed.add(job.attemptsMade))
    worker.on('failed', (job, error) => {
      if (job !== undefined && job.attemptsMade >= (job.opts.attempts ?? 1)) failed.add(error.message)
    })
    await queue.add('well in the end', { until: 2 }, { attempts: 3, backoff: { type: 'fixed', delay: 20 } })
    await queue.add('never well', { until: 9 }, { attempts: 2, backoff: { type: 'fixed', delay: 20 } })
    expect(await completed.all).toEqual([3])
    expect(await failed.all).toEqual(['attempt 1'])
    await worker.close()
    expect((await queue.getFailed()).map(job => job.failedReason)).toEqual(['attempt 1'])
    expect(await broker().counts(queue.name)).toMatchObject({ completed: 1, failed: 1 })
  })

  it('takes a job up again when its worker is gone', async () => {
    const queue = broker().queue<{ i: number }>(unique())
    const held = gate()
    const taken = gate()
    const short = { lockDuration: 1000, stalledInterval: 300 }
    // Renewal far beyond the lock's end: as a process that stands still or was killed.
    const lost = broker().worker<{ i: number }>(
      queue.name,
      async () => {
        taken.open()
        await held.passed
      },
      { ...short, lockRenewTime: 3_600_000 },
    )
    await queue.add('part', { i: 7 })
    await taken.passed
    const done = gathered<number>(1)
    const worker = broker().worker<{ i: number }>(queue.name, job => Promise.resolve(done.add(job.data.i)), short)
    expect(await done.all).toEqual([7])
    await once(worker, 'drained')
    await worker.close()
    held.open()
    await lost.close()
    expect(await broker().counts(queue.name)).toMatchObject({ completed: 1, failed: 0, active: 0 })
  })

  it('goes on renewing the lock of a job that a wiped queue gave it again, once the first taking has ended', async () => {
    const queue = broker().queue<{ i: number }>(unique())
    const [first, second] = [gate(), gate()]
    const [taken, again] = [gathered<number>(1), gathered<number>(1)]
    const worker = broker().worker<{ i: number }>(
      queue.name,
      async ({ data: { i } }) => {
        const [told, held] = i === 1 ? [taken, first] : [again, second]
        told.add(i)
        await held.passed
      },
      { concurrency: 2, lockDuration: 10_000, lockRenewTime: 200, stalledInterval: 300 },
    )
    await queue.add('part', { i: 1 }, { jobId: 'same' })
    await taken.all
    await queue.obliterate({ force: true })
    await queue.add('part', { i: 2 }, { jobId: 'same' })
    await again.all
    // Nobody knows the first any more, which is an error.
    const ended = once(worker, 'error')
    first.open()
    await ended
    const outcome = await new Promise<string>(resolve => {
      let count = 0
      worker.on('locksRenewed', ({ jobIds }) => {
        if (jobIds.includes('same') && ++count === 2) resolve('renewed')
      })
      worker.on('stalled', () => resolve('lost'))
    })
    expect(outcome).toBe('renewed')
    second.open()
    await worker.close()
    expect(await broker().counts(queue.name)).toMatchObject({ completed: 1, failed: 0, active: 0 })
  })
}

/** Tests of the other functions of queues. */
function queueTests(broker: () => Broker, unique: () => string): void {
  it('takes higher priorities first and delayed jobs when their time has come', async () => {
    const queue = broker().queue<{ i: number }>(unique())
    await queue.add('late', { i: 3 }, { delay: 100 })
    await queue.add('low', { i: 2 }, { priority: 10 })
    await queue.add('high', { i: 1 }, { priority: 1 })
    expect((await broker().counts(queue.name)).delayed).toBe(1)
    const order = gathered<number>(3)
    const worker = broker().worker<{ i: number }>(queue.name, job => Promise.resolve(order.add(job.data.i)))
    expect((await order.all).filter(i => i !== 3)).toEqual([1, 2])
    await worker.close()
  })

  it('pauses, removes single jobs, and forgets a whole queue', async () => {
    const queue = broker().queue<{ i: number }>(unique())
    await queue.pause()
    const jobs = await queue.addBulk([part(1), part(2), part(3)])
    const done = gathered<number>(2)
    const worker = broker().worker<{ i: number }>(queue.name, job => Promise.resolve(done.add(job.data.i)))
    await worker.waitUntilReady()
    expect(await broker().counts(queue.name)).toMatchObject({ paused: true, active: 0, completed: 0 })
    await jobs[1]?.remove()
    await queue.resume()
    expect(new Set(await done.all)).toEqual(new Set([1, 3]))
    await worker.close()
    await queue.obliterate({ force: true })
    expect(await broker().counts(queue.name)).toMatchObject({ waiting: 0, completed: 0, failed: 0, load: 0 })
  })

  it('tells of progress and results as they happen', async () => {
    const name = unique()
    const queue = broker().queue<{ i: number }>(name)
    const events = broker().events(name)
    await events.waitUntilReady()
    const progress = new Promise<unknown>(resolve => {
      events.on('progress', ({ data }) => resolve(data))
    })
    const finished = new Promise<unknown>(resolve => {
      events.on('completed', ({ returnvalue }) => resolve(returnvalue))
    })
    const worker = broker().worker<{ i: number }, string>(name, async job => {
      await job.updateProgress({ images: 5 })
      return 'done'
    })
    const job = await queue.add('part', { i: 1 })
    expect(await progress).toEqual({ images: 5 })
    expect(await finished).toBe('done')
    await worker.close()
    expect((await queue.getJob(job.id ?? ''))?.returnvalue).toBe('done')
  })

  it('adds a job with the same id once', async () => {
    const queue = broker().queue<{ i: number }>(unique())
    await queue.add('part', { i: 1 }, { jobId: 'run1-part-3' })
    await queue.add('part', { i: 2 }, { jobId: 'run1-part-3' })
    expect((await queue.getWaiting()).map(job => job.data)).toEqual([{ i: 1 }])
  })

  it('refuses payloads that are too large', async () => {
    const queue = broker().queue<{ text: string }>(unique())
    await expect(queue.add('part', { text: 'x'.repeat(20_000) })).rejects.toThrow(/size/)
    expect((await broker().counts(queue.name)).load).toBe(0)
  })
}

/** Tests of the blobs through which tensors are exchanged. */
function blobTests(broker: () => Broker, unique: () => string): void {
  it('keeps blobs as long as asked and no longer', async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i % 251)
    const key = unique()
    await broker().blobs.put(key, bytes, 60_000)
    await broker().blobs.put(`${key}-short`, bytes, 1)
    expect(Uint8Array.from((await broker().blobs.get(key)) ?? [])).toEqual(bytes)
    await expect.poll(() => broker().blobs.get(`${key}-short`)).toBeUndefined()
    await broker().blobs.delete([key, 'never-there'])
    expect(await broker().blobs.get(key)).toBeUndefined()
  })

  it('deletes all keys that begin alike, and no others', async () => {
    const exchange = openExchange(broker().blobs, { chunkBytes: 10 })
    // Characters that a server takes for a pattern stand for themselves here.
    const [run, other] = [`${unique()}/r[a]*_%`, `${unique()}/`]
    const gone = [`${run}/1/a`, `${run}/2/b`]
    const kept = [`${run}-2/1/a`, `${run.replace('[a]*_%', 'axxyz')}/1/a`, `${other}1`]
    const bytes = Uint8Array.from({ length: 25 }, (_, i) => i)
    for (const key of [...gone, ...kept]) await exchange.put(key, bytes, { ttlMs: 60_000 })
    await exchange.deleteBelow(`${run}/`)
    await exchange.deleteBelow(`${run}/`)
    for (const key of gone) await expect(exchange.getBytes(key), key).rejects.toMatchObject({ code: 'EXCHANGE_MISSING' })
    for (const key of kept) expect(await exchange.getBytes(key), key).toEqual(bytes)
    await exchange.delete(...kept)
  })

  it('exchanges tensors', async () => {
    const exchange = openExchange(broker().blobs, { chunkBytes: 4096 })
    const tensors = new Map([
      ['a/W', { shape: [50, 41], data: Float32Array.from({ length: 2050 }, (_, i) => i / 7) }],
      ['b', { shape: [], data: Float32Array.of(-0) }],
    ])
    const key = unique()
    await exchange.put(key, tensors, { ttlMs: 60_000 })
    expect(await exchange.get(key)).toEqual(tensors)
    await exchange.delete(key)
    await expect(exchange.get(key)).rejects.toMatchObject({ code: 'EXCHANGE_MISSING' })
  })
}

/** The end of a broker. */
function closeTests(unique: () => string, open: () => Promise<Broker>): void {
  it('closes within its deadline though a job is stuck', async () => {
    const other = await open()
    const name = unique()
    const taken = gate()
    const held = gate()
    let reason: unknown
    const worker = other.worker<{ i: number }>(name, async (_job, _token, signal) => {
      signal?.addEventListener('abort', () => {
        reason = signal.reason
      })
      taken.open()
      await held.passed
    })
    await other.queue<{ i: number }>(name).add('part', { i: 1 })
    await taken.passed
    expect(await other.close(200)).toEqual({ clean: false, unfinished: [name] })
    expect(errorMessage(reason)).toContain('shutting down')
    expect(() => other.queue(name)).toThrow(expect.objectContaining({ code: 'QUEUE_CLOSED' }) as Error)
    worker.on('error', () => undefined)
    held.open()
  })

  it('lets jobs under way finish when it closes', async () => {
    const other = await open()
    const name = unique()
    const taken = gate()
    const held = gate()
    let finished = false
    other.worker<{ i: number }>(name, async () => {
      taken.open()
      await held.passed
      finished = true
    })
    await other.queue<{ i: number }>(name).add('part', { i: 1 })
    await taken.passed
    const closed = other.close(30_000)
    held.open()
    expect(await closed).toEqual({ clean: true, unfinished: [] })
    expect(finished).toBe(true)
    expect(await other.close()).toEqual({ clean: true, unfinished: [] })
  })
}

/** Two brokers on one server. */
function sharedTests(broker: () => Broker, unique: () => string, open: () => Promise<Broker>): void {
  it('shares jobs with another broker on the same server', async () => {
    const other = await open()
    const name = unique()
    const queue = broker().queue<{ i: number }>(name)
    const done = gathered<string>(40)
    const workers = [broker(), other].map((each, i) =>
      each.worker<{ i: number }>(name, job => Promise.resolve(done.add(`${i}:${job.data.i}`))),
    )
    await queue.addBulk(Array.from({ length: 40 }, (_, i) => part(i)))
    const jobs = (await done.all).map(entry => entry.split(':')[1])
    expect(new Set(jobs).size).toBe(40)
    await Promise.all(workers.map(worker => worker.close()))
    expect(await other.counts(name)).toMatchObject({ completed: 40 })
    await other.close(5000)
  })
}

/** Tests that every backend must pass, against the real thing. Queue names are unique: a shared server may be used again and again. */
export function brokerContract(label: string, contract: BrokerContract): void {
  describe(`broker on ${label}`, () => {
    let opened: Broker | undefined
    let names = 0
    const broker = (): Broker => {
      if (opened === undefined) throw new Error('The broker did not open.')
      return opened
    }
    const unique = (): string => `contract-${process.pid}-${Date.now()}-${++names}`
    beforeAll(async () => {
      opened = await contract.open()
    })
    afterAll(async () => {
      await opened?.close(5000)
    })
    workTests(broker, unique)
    queueTests(broker, unique)
    blobTests(broker, unique)
    closeTests(unique, contract.open)
    if (contract.shared) sharedTests(broker, unique, contract.open)
  })
}
