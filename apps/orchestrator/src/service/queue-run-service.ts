import {
  hasEnded,
  makePayload,
  type RunDetail,
  type RunEvent,
  type RunEventOptions,
  type RunJob,
  type RunListQuery,
  type RunPage,
  type RunPlan,
  type RunService,
  type RunSpec,
  type RunState,
  runStoreUrl,
  type RunSummary,
} from '@layermill/contracts'
import { setTimeout as pause } from 'node:timers/promises'
import type { Broker, JobState } from '@layermill/queue'
import { errorCode, LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { checkReachable } from '../check/check-reachable.js'
import { checkSpec } from '../check/check-spec.js'
import type { RunEnvironment } from '../run/environment.js'
import { isEmptyRun } from '../run/decide.js'
import { cancelRun, readRunRecord } from '../run/record-store.js'
import { sameSpec, slimJob, wholeJob } from './large-spec.js'
import type { PlanRun } from './plan-run.js'
import { selectRuns } from './select-runs.js'
import { readStored, storedDetail, type StoredRun } from './stored-run.js'
import { likeness, runIdFor } from './submission.js'
import { RunEventHub } from './run-event-hub.js'
import { runEvents, type RunView } from './run-events.js'
import { jobProgress, type QueuedRun, runJobOptions, runQueue, type RunQueue, summarizeJob } from './run-jobs.js'

export type QueueRunEnvironment = Pick<RunEnvironment, 'openStore' | 'openSource' | 'newId' | 'now' | 'queue'> &
  Partial<Pick<RunEnvironment, 'trouble'>> & {
    /** Left out where plans are made elsewhere, as by a command. */
    readonly planRun?: PlanRun | undefined
  }

interface KnownRun {
  readonly job: QueuedRun
  readonly summary: RunSummary
}

const listedStates = ['active', 'waiting', 'prioritized', 'delayed', 'completed', 'failed'] as const satisfies readonly JobState[]
/** Lists are read from the queue at most so often, in milliseconds. */
const listInterval = 1000
/** How long a run that is being cancelled may take to end, in milliseconds. */
const endingDeadline = 10_000

/** How long a run that the queue has lost may take to come back, in milliseconds. */
const recoveryPatience = 90_000

const conflict = (where: string, what: string): LayermillError =>
  new LayermillError('RUN_CONFLICT', `${where} ${what}`, { hint: 'choose another out, or replace what is there with overwrite' })

/** Runs on a queue: one job each, under the run's id. What the queue forgets is still in the runs' stores. */
export class QueueRunService implements RunService {
  private readonly queue: RunQueue
  private readonly hub: RunEventHub
  private listed: { time: number; runs: Promise<KnownRun[]> } | undefined

  constructor(
    broker: Broker,
    private readonly environment: QueueRunEnvironment,
  ) {
    this.queue = runQueue(broker)
    this.hub = new RunEventHub(broker)
  }

  /**
   * @throws LayermillError `RUN_CONFLICT`; `SPEC_INVALID`, `MODEL_UNKNOWN`, `LAYER_UNKNOWN`, `INPUT_SIZE`; `SOURCE_MISSING`,
   * `WEIGHTS_NOT_FOUND` and others
   *   of what the spec names and is not there
   */
  async submit(spec: RunSpec): Promise<RunSummary> {
    if (spec.plan) throw new LayermillError('SPEC_INVALID', 'plan: got true, expected false: a run that is queued computes')
    await checkSpec(spec)
    const url = runStoreUrl(spec)
    const existing = await this.withStore(url, readRunRecord)
    if (existing !== undefined && !spec.overwrite && !isEmptyRun(existing)) {
      const found = likeness(existing, spec)
      if (found.kind === 'other') throw conflict(url, `holds the results of another run: ${found.difference}`)
    }
    if (existing === undefined || spec.overwrite || isEmptyRun(existing)) await checkReachable(spec, this.environment)
    const id = runIdFor(existing, spec, () => this.environment.newId(spec.kind))
    return this.start({ v: 1, run: id, store: url, spec })
  }

  async plan(spec: RunSpec, signal?: AbortSignal): Promise<RunPlan> {
    const { planRun } = this.environment
    if (planRun === undefined) throw new LayermillError('SPEC_INVALID', 'plan: got true, expected false: this server does not plan')
    await checkSpec(spec)
    return planRun(spec, signal)
  }

  /**
   * Goes on with the run at a store, also where the queue knows nothing of it (a queue that was wiped).
   * @throws LayermillError `RUN_MISSING`; as `resume` does.
   */
  async resumeStore(url: string): Promise<RunSummary> {
    const record = await this.withStore(url, readRunRecord)
    if (record === undefined) throw new LayermillError('RUN_MISSING', `there is no run at ${url}`)
    if (record.state === 'done') throw new LayermillError('RUN_FINISHED', `The run ${record.id} at ${url} is done`)
    const job = await this.queue.getJob(record.id)
    if (job !== undefined) return this.resume(record.id)
    return this.start({ v: 1, run: record.id, store: url, spec: { ...record.spec, overwrite: false }, resume: true })
  }

  async list(query: RunListQuery): Promise<RunPage> {
    return selectRuns(
      (await this.all()).map(({ summary }) => summary),
      query,
    )
  }

  async get(id: string): Promise<RunDetail> {
    const { job, summary } = await this.find(id)
    const stored = await this.withStore(job.data.store, readStored).catch((): StoredRun => ({}))
    const told = hasEnded(summary.state) ? undefined : jobProgress(job)
    const phases = told?.progress?.phases
    if (stored.record?.id === id) {
      const detail = await storedDetail({ ...stored, record: stored.record }, url => this.environment.openStore(url))
      return { ...detail, ...summary, training: told?.training, ...(phases === undefined ? {} : { phases }) }
    }
    const { spec } = await this.withStore(job.data.store, store => wholeJob(job.data, store)).catch(() => job.data)
    return { ...summary, generation: 0, spec: { ...(spec ?? job.data.submitted) }, planned: false }
  }

  async cancel(id: string): Promise<RunSummary> {
    const { job, summary } = await this.find(id)
    if (summary.state === 'cancelled') return summary
    if (hasEnded(summary.state)) throw new LayermillError('RUN_FINISHED', `The run ${id} is ${summary.state}`)
    await job.updateData({ ...job.data, cancel: true })
    this.listed = undefined
    // One that is paused lies aside: whoever takes it now notes its end.
    if (job.data.paused !== undefined && (await job.getState()) === 'delayed') await job.promote()
    // The orchestrator that works on it sees it. Without one, workers would go on with what is queued.
    if ((await job.getState()) !== 'active') await this.withStore(job.data.store, store => this.stop(id, store))
    return (await this.find(id)).summary
  }

  /** Lets go of a run until it is resumed: parts under way are finished, no others are begun. */
  async pause(id: string): Promise<RunSummary> {
    const { job, summary } = await this.find(id)
    if (hasEnded(summary.state)) throw new LayermillError('RUN_FINISHED', `The run ${id} is ${summary.state}`)
    if (job.data.paused === undefined) await job.updateData({ ...job.data, paused: this.environment.now().toISOString() })
    this.listed = undefined
    return (await this.find(id)).summary
  }

  async resume(id: string): Promise<RunSummary> {
    const { job, summary } = await this.ending(id)
    if (job.data.paused !== undefined && !hasEnded(summary.state)) return this.unpause(id, job)
    if (summary.state === 'done') throw new LayermillError('RUN_FINISHED', `The run ${id} is done`)
    if (!hasEnded(summary.state)) throw new LayermillError('RUN_ACTIVE', `The run ${id} is ${summary.state}`)
    const { cancel: _cancel, paused: _paused, ...data } = job.data
    try {
      await job.remove()
    } catch (cause) {
      throw new LayermillError('RUN_ACTIVE', `The run ${id} is just being ended; try again in a moment`, { cause })
    }
    return this.start({ ...data, resume: true })
  }

  events(id: string, options: RunEventOptions): AsyncGenerator<RunEvent, void, undefined> {
    let seen: RunView | undefined
    let lost: number | undefined
    return runEvents(id, options, this.hub, async run => {
      try {
        seen = await this.view(run)
        lost = undefined
      } catch (error) {
        // A queue that lost its data gets its runs back from an orchestrator.
        lost ??= performance.now()
        if (seen === undefined || errorCode(error) !== 'RUN_UNKNOWN' || performance.now() - lost > recoveryPatience) throw error
      }
      return seen
    })
  }

  async countByState(): Promise<Partial<Record<RunState, number>>> {
    const counts: Partial<Record<RunState, number>> = {}
    for (const { summary } of await this.all()) counts[summary.state] = (counts[summary.state] ?? 0) + 1
    return counts
  }

  async close(): Promise<void> {
    await this.hub.close()
  }

  /** Queues a run, or finds that the same command is queued or under way already. */
  private async start(whole: RunJob): Promise<RunSummary> {
    const data = makePayload('run', await this.withStore(whole.store, store => slimJob(whole, store)))
    const old = await this.queue.getJob(data.run)
    const state = await old?.getState()
    // A finished job would keep another of its id from being added.
    if (old !== undefined && (state === 'completed' || state === 'failed')) await old.remove()
    const added = await this.queue.add(whole.spec?.kind ?? 'run', data, runJobOptions(data.run, data.store))
    this.listed = undefined
    const job = await this.queue.getJob(added.id!)
    if (job === undefined) throw new LayermillError('UNAVAILABLE', `the queue lost the run ${added.id} as it was added; try again`)
    const summary = summarizeJob(job, await job.getState())
    if (sameSpec(job.data, data)) return summary
    throw conflict(data.store, `is being written by run ${summary.id} with another spec`)
  }

  /** With what this process waits for itself, where that is in a run's way and nobody says more. */
  private told(summary: RunSummary): RunSummary {
    if (hasEnded(summary.state) || summary.waiting !== undefined) return summary
    const waiting = this.environment.trouble?.()
    return waiting === undefined ? summary : { ...summary, waiting }
  }

  /** Takes a paused run up again; where an orchestrator is just letting go of it, once it has. */
  private async unpause(id: string, job: QueuedRun): Promise<RunSummary> {
    const deadline = performance.now() + endingDeadline
    while ((await job.getState()) === 'active' && performance.now() < deadline) await pause(200)
    const { paused: _paused, ...data } = job.data
    await job.updateData(data)
    if ((await job.getState()) === 'delayed') await job.promote().catch(() => undefined)
    this.listed = undefined
    return (await this.find(id)).summary
  }

  /** Ends a run that nobody works on, and takes its parts off the queue. */
  private async stop(id: string, store: Store): Promise<void> {
    await cancelRun(store, id, this.environment.now(), async record => (await this.environment.queue(record, store)).removeWaiting())
  }

  private async view(id: string): Promise<RunView> {
    const { job, summary } = await this.find(id)
    return { ...jobProgress(job), summary }
  }

  private async find(id: string): Promise<KnownRun> {
    const job = await this.queue.getJob(id)
    if (job === undefined) {
      throw new LayermillError('RUN_UNKNOWN', `The queue knows no run ${id}`, {
        hint: 'a run that the queue forgot goes on from its store: layermill runs resume OUT',
      })
    }
    return { job, summary: this.told(summarizeJob(job, await job.getState())) }
  }

  /** A run; one that is being cancelled as it is once it has ended, which takes seconds. */
  private async ending(id: string): Promise<KnownRun> {
    const deadline = performance.now() + endingDeadline
    for (;;) {
      const run = await this.find(id)
      if (hasEnded(run.summary.state) || run.job.data.cancel !== true || performance.now() > deadline) return run
      await pause(200)
    }
  }

  /** All runs that the queue knows, newest first. */
  private all(): Promise<KnownRun[]> {
    const now = performance.now()
    if (this.listed !== undefined && now - this.listed.time < listInterval) return this.listed.runs
    const runs = this.read()
    this.listed = { time: now, runs }
    runs.catch(() => {
      this.listed = undefined
    })
    return runs
  }

  private async read(): Promise<KnownRun[]> {
    const byId = new Map<string, KnownRun>()
    for (const state of listedStates) {
      for (const job of await this.queue.getJobs([state])) {
        // A job may be removed while the list is read.
        if (job?.id !== undefined) byId.set(job.id, { job, summary: this.told(summarizeJob(job, state)) })
      }
    }
    return [...byId.values()].sort((a, b) => b.job.timestamp - a.job.timestamp || (a.job.id! < b.job.id! ? 1 : -1))
  }

  private async withStore<Result>(url: string, action: (store: Store) => Promise<Result>): Promise<Result> {
    await using store = await this.environment.openStore(url)
    return await action(store)
  }
}
