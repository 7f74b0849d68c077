import { classify, errorCode } from '@layermill/core'
import {
  hasEnded,
  isOpen,
  type Notify,
  type RunService,
  type RunSpec,
  type ScheduleHistory,
  type ScheduleRecord,
  type ScheduleSpec,
  specOfTick,
  type Tick,
  withTick,
} from '@layermill/contracts'
import { readRunRecord } from '../run/record-store.js'
import { mayPass } from '../run/passing-failures.js'
import { driftOfRun } from './drift.js'
import { type FingerprintEnvironment, fingerprintOf } from './fingerprint.js'
import type { ScheduleStore } from './schedule-store.js'

export interface TickEnvironment extends FingerprintEnvironment {
  readonly runs: Pick<RunService, 'submit' | 'get'>
  readonly notify?: Notify
  /** The p-value of a run's features against those of the past; computed here where left out. */
  readonly drift?: typeof driftOfRun
  now(): Date
  /** For the log. */
  readonly note?: (text: string) => void
}

export interface TickRequest {
  readonly id: string
  readonly due: Date
  readonly manual: boolean
  /** A failure that could pass is noted, since it is not tried again. */
  readonly lastTry: boolean
}

/** Milliseconds after which a tick counts as missed: nobody was there. */
export const missedAfter = 60_000
/** A tick that has been starting for so many milliseconds was given up with its process. */
const startingFor = 15 * 60_000

const dueBefore = (a: Tick, b: Tick): number => Date.parse(a.due) - Date.parse(b.due)
const findTick = (history: ScheduleHistory, id: string): Tick | undefined => history.ticks.find(tick => tick.id === id)

/**
 * Decides on a tick, by the history as it is: `starting`, `queued` or `skipped`. Ticks that were decided on before stay as they are,
 * but for the one that waited.
 */
export function decideTick(history: ScheduleHistory, schedule: ScheduleSpec, tick: Tick): ScheduleHistory {
  const known = findTick(history, tick.id)
  if (known !== undefined && known.state !== 'queued') return history
  const decided = (change: Partial<Tick>): ScheduleHistory => withTick(history, { ...tick, at: known?.at ?? tick.at, ...change })
  const waiting = history.ticks.some(other => other.state === 'queued' && other.id !== tick.id)
  if (history.ticks.some(isOpen)) {
    if (known !== undefined) return history
    if (schedule.overlap === 'queue' && !waiting) return decided({ state: 'queued' })
    return decided({ state: 'skipped', reason: 'overlap', finished: tick.at })
  }
  if (
    tick.manual !== true &&
    schedule.unchanged === 'skip' &&
    tick.fingerprint !== undefined &&
    history.lastGood?.fingerprint === tick.fingerprint
  ) {
    return decided({ state: 'skipped', reason: 'unchanged', finished: tick.at })
  }
  return decided({ state: 'starting' })
}

/** Carries out ticks: decides in the history, submits a run, and notes how it ended. Any number of processes may do so at once. */
export class TickRunner {
  constructor(
    private readonly store: ScheduleStore,
    private readonly environment: TickEnvironment,
  ) {}

  /**
   * One tick. The same tick given again goes on where the first try broke off.
   * @throws what can pass, for another try
   */
  async tick(name: string, request: TickRequest): Promise<void> {
    const record = await this.store.record(name)
    if (record === undefined || (record.paused && !request.manual)) return
    const history = await this.settle(name)
    const known = findTick(history, request.id)
    if (known !== undefined && known.state !== 'starting' && known.state !== 'queued') return
    const tick = this.newTick(request)
    if (
      known === undefined &&
      record.schedule.missed === 'skip' &&
      !request.manual &&
      Date.parse(tick.at) - request.due.getTime() > missedAfter
    ) {
      await this.decided(name, { ...tick, state: 'skipped', reason: 'missed', finished: tick.at })
      return
    }
    try {
      const decided = known?.state === 'starting' ? known : await this.decide(name, record, history, tick)
      if (decided?.state === 'starting') await this.start(record, decided)
    } catch (error) {
      if (!request.lastTry && classify(error).retry !== 'never') throw error
      await this.failed(name, tick, error)
    }
  }

  /** Notes how runs ended that were under way. Returns the history as it is then. */
  async settle(name: string): Promise<ScheduleHistory> {
    const history = await this.store.history(name)
    const ended: Tick[] = []
    for (const tick of history.ticks.filter(isOpen)) {
      const now = await this.ended(tick)
      if (now !== undefined) ended.push(now)
    }
    if (ended.length === 0) return history
    return this.store.changeHistory(name, latest =>
      ended.toSorted(dueBefore).reduce((changed, tick) => {
        const open = findTick(changed, tick.id)
        if (open === undefined || !isOpen(open)) return changed
        const good =
          tick.state === 'done' && tick.run !== undefined && tick.fingerprint !== undefined
            ? { lastGood: { fingerprint: tick.fingerprint, run: tick.run } }
            : {}
        return { ...withTick(changed, tick), ...good }
      }, latest),
    )
  }

  /**
   * The last good run of a schedule whose features have not been held against the reference yet, and what came of it.
   * @returns undefined where there is nothing to test
   */
  async testDrift(name: string): Promise<{ tick: Tick; start: string | undefined } | undefined> {
    const condition = (await this.store.record(name))?.schedule.drift
    const tick = condition === undefined ? undefined : (await this.store.history(name)).ticks.find(({ state }) => state === 'done')
    if (condition === undefined || tick?.out === undefined || tick.drift !== undefined) return undefined
    try {
      const p = await (this.environment.drift ?? driftOfRun)(tick.out, condition, this.environment)
      const start = p < condition.level ? condition.start : undefined
      return { tick: { ...tick, drift: { p, ...(start === undefined ? {} : { started: start }) } }, start }
    } catch (error) {
      const { message, retry } = classify(error)
      // Trouble that may pass is met again at the next comparison.
      if (retry !== 'never') throw error
      return { tick: { ...tick, drift: { error: message } }, start: undefined }
    }
  }

  /** Keeps the outcome of a test for drift. */
  async noteDrift(name: string, { id, drift }: Tick): Promise<void> {
    await this.store.changeHistory(name, history => {
      const known = findTick(history, id)
      return known === undefined ? history : withTick(history, { ...known, drift })
    })
    const { p, started, error } = drift ?? {}
    const told = error ?? `p ${p?.toPrecision(3)}${started === undefined ? '' : `, starts ${started}`}`
    this.environment.note?.(`schedule ${name}: tick ${id} drift: ${told}`)
  }

  private newTick({ id, due, manual }: TickRequest): Tick {
    return { id, due: due.toISOString(), at: this.environment.now().toISOString(), ...(manual ? { manual } : {}), state: 'starting' }
  }

  private async decided(name: string, tick: Tick): Promise<void> {
    await this.store.changeHistory(name, history => (findTick(history, tick.id) === undefined ? withTick(history, tick) : history))
    this.noteDecision(name, tick)
  }

  private noteDecision(name: string, { id, state, reason }: Tick): void {
    this.environment.note?.(`schedule ${name}: tick ${id} ${state}${reason === undefined ? '' : `: ${reason}`}`)
  }

  private async decide(name: string, record: ScheduleRecord, history: ScheduleHistory, tick: Tick): Promise<Tick | undefined> {
    // Listing may take long: not where the answer is known without.
    const fingerprint = history.ticks.some(isOpen) ? undefined : await fingerprintOf(record.schedule.spec, this.environment)
    const decided = findTick(
      await this.store.changeHistory(name, latest => decideTick(latest, record.schedule, { ...tick, fingerprint })),
      tick.id,
    )
    if (decided !== undefined && decided.state !== 'starting') this.noteDecision(name, decided)
    return decided
  }

  private async start(record: ScheduleRecord, tick: Tick): Promise<void> {
    const { name } = record.schedule
    const spec: RunSpec = specOfTick(record.schedule, { id: tick.id, due: new Date(tick.due) })
    const run = await this.environment.runs.submit(spec)
    await this.store.changeHistory(name, history => withTick(history, { ...tick, state: 'running', run: run.id, out: spec.out }))
    this.environment.note?.(`schedule ${name}: tick ${tick.id} is run ${run.id}`)
  }

  private async failed(name: string, tick: Tick, error: unknown): Promise<void> {
    const { code, message } = classify(error)
    const finished = this.environment.now().toISOString()
    await this.store.changeHistory(name, history =>
      withTick(history, { ...(findTick(history, tick.id) ?? tick), state: 'failed', finished, error: { code, message } }),
    )
    this.environment.note?.(`schedule ${name}: tick ${tick.id} failed: ${message}`)
    const urls = (await this.store.record(name))?.schedule.notify
    await this.environment.notify?.(
      { event: 'schedule.failed', data: { schedule: name, tick: tick.id, due: tick.due, error: { code, message } } },
      { urls },
    )
  }

  /** The tick as it ended; undefined while it has not. */
  private async ended(tick: Tick): Promise<Tick | undefined> {
    const now = this.environment.now()
    if (tick.run === undefined) {
      return now.getTime() - Date.parse(tick.at) > startingFor ? { ...tick, state: 'lost', finished: now.toISOString() } : undefined
    }
    try {
      const { kind, state, finished, error, failures = [] } = await this.environment.runs.get(tick.run)
      if (!hasEnded(state)) return undefined
      // Images that failed for a reason that may have passed are tried again by the next update, though nothing has changed: it is not
      // skipped.
      const again = kind === 'extract' && failures.some(mayPass)
      const ended = { ...tick, state, finished: finished ?? now.toISOString(), error }
      return again ? { ...ended, fingerprint: undefined } : ended
    } catch (error) {
      if (errorCode(error) !== 'RUN_UNKNOWN') throw error
      return this.endedByStore(tick, now)
    }
  }

  /** How a run ended that the queue has forgotten, as its store has it. */
  private async endedByStore(tick: Tick, now: Date): Promise<Tick> {
    const lost: Tick = { ...tick, state: 'lost', finished: now.toISOString() }
    if (tick.out === undefined) return lost
    await using store = await this.environment.openStore(tick.out)
    const record = await readRunRecord(store)
    if (record === undefined || record.id !== tick.run || !hasEnded(record.state)) return lost
    return { ...tick, state: record.state, finished: record.finished ?? now.toISOString(), error: record.error }
  }
}
