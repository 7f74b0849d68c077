import { isOpen, lastTime, queueNames, type ScheduleRecord } from '@layermill/contracts'
import { type Broker, type QueuedJob, toJobError } from '@layermill/queue'
import { errorMessage } from '@layermill/core'
import { holdsPlace } from './place.js'
import type { ScheduleStore } from './schedule-store.js'
import { addTick, dueOf, startTicking, TickJob, tickId, type TickQueue, tickQueue } from './tick-jobs.js'
import { type TickEnvironment, TickRunner } from './tick-runner.js'

export interface ScheduleWorkerOptions {
  /** Milliseconds between comparisons of the queue with the store. Default 30 s. */
  readonly interval?: number
}

export interface ScheduleWorker {
  /** Takes no more ticks, and waits for those that are being decided. */
  close(): Promise<void>
}

/** Compares what ticks on the queue with what is in the store, and goes on with what ended. */
class Reconciler {
  /** Runs of ticks that are under way, and whose they are. */
  private readonly open = new Map<string, string>()
  /** Schedules whose last run is held against the past now. */
  private readonly testing = new Set<string>()
  private turn: Promise<void> = Promise.resolve()

  constructor(
    private readonly broker: Broker,
    private readonly queue: TickQueue,
    private readonly store: ScheduleStore,
    private readonly runner: TickRunner,
    private readonly environment: TickEnvironment,
  ) {}

  /** One comparison after the other. Trouble is noted: the next one comes. */
  run(): Promise<void> {
    this.turn = this.turn
      .then(() => this.reconcile())
      .catch((error: unknown) => this.environment.note?.(`schedules: ${errorMessage(error)}`))
    return this.turn
  }

  /** Resolves when no comparison is under way. */
  idle(): Promise<void> {
    return this.turn
  }

  /** A run of the queue ended. */
  async ended(run: string): Promise<void> {
    const name = this.open.get(run)
    if (name !== undefined) await this.goOn(name)
  }

  /** Notes what ended of a schedule, and lets the tick that waited for it start. */
  async goOn(name: string): Promise<void> {
    const { ticks } = await this.runner.settle(name)
    for (const [run, owner] of this.open) if (owner === name) this.open.delete(run)
    for (const tick of ticks) if (isOpen(tick) && tick.run !== undefined) this.open.set(tick.run, name)
    await this.followDrift(name)
    const queued = ticks.find(({ state }) => state === 'queued')
    if (queued === undefined || ticks.some(isOpen)) return
    await addTick(this.queue, { schedule: name, due: queued.due, tick: queued.id, manual: queued.manual }, 'waited')
  }

  /** Holds the last good run against the past, once, and starts what a drift is to start. */
  private async followDrift(name: string): Promise<void> {
    if (this.testing.has(name)) return
    this.testing.add(name)
    try {
      const found = await this.runner.testDrift(name)
      if (found === undefined) return
      const { tick, start } = found
      // First: a tick of an id is taken up once, however often it is added.
      if (start !== undefined) {
        const due = tick.finished ?? this.environment.now().toISOString()
        await addTick(this.queue, { schedule: start, due, tick: `drift-${tick.id}` }, 'drift')
      }
      await this.runner.noteDrift(name, tick)
    } finally {
      this.testing.delete(name)
    }
  }

  private async reconcile(): Promise<void> {
    if (!(await holdsPlace(this.broker, this.store))) return
    const ticking = new Map((await this.queue.getJobSchedulers()).map(({ key, pattern, tz }) => [key, { pattern, tz }]))
    const names = await this.store.names()
    for (const name of names) {
      const record = await this.store.record(name)
      if (record === undefined || record.paused) continue
      const known = ticking.get(name)
      ticking.delete(name)
      if (known === undefined) await this.missed(record)
      if (known?.pattern !== record.schedule.cron || known.tz !== record.schedule.tz) await startTicking(this.queue, record.schedule)
    }
    for (const name of ticking.keys()) await this.queue.removeJobScheduler(name)
    for (const name of names) await this.goOn(name)
  }

  /** A queue that knows nothing of a schedule was wiped: the last tick that came due meanwhile is taken up, or noted as missed. */
  private async missed({ schedule, since }: ScheduleRecord): Promise<void> {
    const due = lastTime(schedule.cron, schedule.tz, this.environment.now())
    if (due === undefined || due.getTime() <= Date.parse(since)) return
    const { ticks } = await this.store.history(schedule.name)
    if (ticks.some(tick => tick.manual !== true && Date.parse(tick.due) >= due.getTime())) return
    await addTick(this.queue, { schedule: schedule.name, due: due.toISOString(), tick: tickId(due) }, 'missed')
  }
}

/** Takes up the ticks of schedules and keeps queue and store in step. Several processes may do so for one queue. */
export function startScheduleWorker(
  broker: Broker,
  store: ScheduleStore,
  environment: TickEnvironment,
  options: ScheduleWorkerOptions = {},
): ScheduleWorker {
  const queue = tickQueue(broker)
  const runner = new TickRunner(store, environment)
  const reconciler = new Reconciler(broker, queue, store, runner, environment)
  const worker = broker.worker<TickJob>(
    queueNames.schedules,
    async (job: QueuedJob<TickJob>) => {
      const data = TickJob.parse(job.data)
      const due = dueOf(job)
      const lastTry = job.attemptsMade + 1 >= (job.opts.attempts ?? 1)
      try {
        if (!(await holdsPlace(broker, store))) return
        await runner.tick(data.schedule, { id: data.tick ?? tickId(due), due, manual: data.manual === true, lastTry })
        await reconciler.goOn(data.schedule)
      } catch (error) {
        throw await toJobError(error)
      }
    },
    { concurrency: 8 },
  )
  const events = broker.events(queueNames.runs)
  const ended = ({ jobId }: { jobId: string }): void => {
    reconciler.ended(jobId).catch((error: unknown) => environment.note?.(`schedules: ${errorMessage(error)}`))
  }
  events.on('completed', ended)
  events.on('failed', ended)
  const timer = setInterval(() => void reconciler.run(), options.interval ?? 30_000)
  void reconciler.run()
  return {
    async close() {
      clearInterval(timer)
      await Promise.all([worker.close(), events.close(), reconciler.idle()])
    },
  }
}
