import type {
  FleetService,
  FleetState,
  QueueDepth,
  QueueJob,
  QueueJobPage,
  ReadinessCheck,
  RunDetail,
  RunEvent,
  RunEventOptions,
  RunListQuery,
  RunPage,
  RunPlan,
  RunService,
  RunShelf,
  RunSpec,
  RunState,
  RunSummary,
  WorkerInfo,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'

const ended = (state: RunState): boolean => state === 'done' || state === 'failed' || state === 'cancelled'

/** Runs in memory, for tests of the HTTP side: they go no further than the test tells them to. */
export class MemoryRuns implements RunService {
  private readonly runs = new Map<string, RunDetail>()
  private readonly sent = new Map<string, RunEvent[]>()
  private readonly wakers = new Set<() => void>()
  /** Listeners that have not been told to stop. */
  listeners = 0
  /** Plans that were told to stop. */
  plansStopped = 0
  /** Thrown by every method while it is set. */
  failure: Error | undefined

  submit(spec: RunSpec): Promise<RunSummary> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    const id = `run-${this.runs.size + 1}`
    const run: RunDetail = {
      id,
      kind: spec.kind,
      state: 'planning',
      source: spec.source,
      model: spec.model,
      out: spec.out,
      counts: { images: 0, done: 0, failed: 0, parts: 0 },
      created: '2026-01-02T03:04:05.000Z',
      generation: 0,
      spec: { ...spec },
      planned: false,
    }
    this.runs.set(id, run)
    this.sent.set(id, [])
    return Promise.resolve(run)
  }

  plan({ kind, model, source }: RunSpec, signal?: AbortSignal): Promise<RunPlan> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    if (source === 'endless') {
      // Told to stop, as a listing is.
      return new Promise((_, reject) =>
        signal?.addEventListener('abort', () => {
          this.plansStopped++
          reject(signal.reason as Error)
        }),
      )
    }
    if (kind === 'finetune') return Promise.resolve({ kind, model, classes: [], warnings: [], trainable: 2, stepsPerEpoch: 1, epochs: 5 })
    return Promise.resolve({
      kind,
      model,
      action: 'create',
      images: 3,
      sourceBytes: 30,
      parts: 1,
      layers: [],
      outputBytes: 0,
      batchSize: 'auto',
    })
  }

  list({ state, kind, cursor, limit }: RunListQuery): Promise<RunPage> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    const runs = [...this.runs.values()]
      .toReversed()
      .filter(run => (state === undefined || run.state === state) && (kind === undefined || run.kind === kind))
    const from = cursor === undefined ? 0 : runs.findIndex(run => run.id === cursor) + 1
    if (from === 0 && cursor !== undefined)
      return Promise.reject(new LayermillError('CURSOR_INVALID', 'cursor: start again from the first page'))
    const page = runs.slice(from, from + limit)
    return Promise.resolve({ runs: page, next: from + limit < runs.length ? page.at(-1)?.id : undefined })
  }

  get(id: string): Promise<RunDetail> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    const run = this.runs.get(id)
    return run === undefined ? Promise.reject(new LayermillError('RUN_UNKNOWN', `There is no run ${id}`)) : Promise.resolve(run)
  }

  async cancel(id: string): Promise<RunSummary> {
    const run = await this.get(id)
    if (run.state === 'done' || run.state === 'failed') throw new LayermillError('RUN_FINISHED', `The run ${id} is ${run.state}`)
    this.setState(id, 'cancelled')
    return run
  }

  async pause(id: string): Promise<RunSummary> {
    const run = await this.get(id)
    if (ended(run.state)) throw new LayermillError('RUN_FINISHED', `The run ${id} is ${run.state}`)
    run.waiting = { code: 'paused', reason: 'the run is paused', since: '2026-01-02T03:04:05.000Z' }
    return run
  }

  async resume(id: string): Promise<RunSummary> {
    const run = await this.get(id)
    if (!ended(run.state)) throw new LayermillError('RUN_ACTIVE', `The run ${id} is ${run.state}`)
    this.setState(id, 'running')
    return run
  }

  setState(id: string, state: RunState, counts?: RunSummary['counts']): void {
    const run = this.runs.get(id)
    if (run === undefined) throw new Error(`no run ${id}`)
    run.state = state
    run.counts = counts ?? run.counts
    this.tell(id, { event: 'state', data: run })
  }

  /** Adds an event; its id is its number. */
  tell(
    id: string,
    event: { [K in RunEvent['event']]: { event: K; data: Extract<RunEvent, { event: K }>['data'] } }[RunEvent['event']],
  ): void {
    const events = this.sent.get(id)
    if (events === undefined) throw new Error(`no run ${id}`)
    const copy: unknown = structuredClone(event.data)
    events.push({ ...event, data: copy, id: String(events.length + 1) } as RunEvent)
    this.wake()
  }

  private wake(): void {
    for (const waker of this.wakers) waker()
  }

  async *events(id: string, { after, signal }: RunEventOptions): AsyncGenerator<RunEvent, void, undefined> {
    const events = this.sent.get(id)
    if (events === undefined) throw new LayermillError('RUN_UNKNOWN', `There is no run ${id}`)
    this.listeners++
    try {
      let next = after === undefined ? 0 : events.findIndex(event => event.id === after) + 1
      while (!signal.aborted) {
        const event = events[next]
        if (event !== undefined) {
          next++
          yield event
        } else if (ended((await this.get(id)).state)) {
          return
        } else {
          await this.change(signal)
        }
      }
    } finally {
      this.listeners--
      this.wake()
    }
  }

  private change(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const waker = (): void => {
        this.wakers.delete(waker)
        signal.removeEventListener('abort', waker)
        resolve()
      }
      this.wakers.add(waker)
      signal.addEventListener('abort', waker)
    })
  }

  /** Resolves once the condition holds; asked again after every change of events or listeners. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.change(new AbortController().signal)
  }

  countByState(): Promise<Partial<Record<RunState, number>>> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    const counts: Partial<Record<RunState, number>> = {}
    for (const { state } of this.runs.values()) counts[state] = (counts[state] ?? 0) + 1
    return Promise.resolve(counts)
  }
}

/** A fleet that is as the test says. */
export class MemoryFleet implements FleetService {
  workerList: WorkerInfo[] = []
  queueList: QueueDepth[] = []
  checks: ReadinessCheck[] = [{ name: 'queue', ok: true }]
  failure: Error | undefined

  workers(): Promise<WorkerInfo[]> {
    return this.failure === undefined ? Promise.resolve(this.workerList) : Promise.reject(this.failure)
  }

  queues(): Promise<QueueDepth[]> {
    return this.failure === undefined ? Promise.resolve(this.queueList) : Promise.reject(this.failure)
  }

  paused = false

  state(): Promise<FleetState> {
    return this.failure === undefined ? Promise.resolve({ paused: this.paused }) : Promise.reject(this.failure)
  }

  pause(): Promise<FleetState> {
    this.paused = true
    return this.state()
  }

  resume(): Promise<FleetState> {
    this.paused = false
    return this.state()
  }

  jobs(queue: string): Promise<QueueJobPage> {
    return Promise.reject(this.failure ?? new LayermillError('QUEUE_UNKNOWN', `There is no queue ${queue}`))
  }

  retryJob(queue: string, id: string): Promise<QueueJob> {
    return Promise.reject(this.failure ?? new LayermillError('JOB_UNKNOWN', `There is no job ${id} on the queue ${queue}`))
  }

  removeJob(queue: string, id: string): Promise<void> {
    return Promise.reject(this.failure ?? new LayermillError('JOB_UNKNOWN', `There is no job ${id} on the queue ${queue}`))
  }

  ready(): Promise<ReadinessCheck[]> {
    return this.failure === undefined ? Promise.resolve(this.checks) : Promise.reject(this.failure)
  }
}

/** Words on the runs of the tests; nothing lies at any place. */
export const memoryShelf = (runs: MemoryRuns): RunShelf => ({
  describe: async (id, words) => ({ ...(await runs.get(id)), ...words }),
  open: place => Promise.reject(new LayermillError('RUN_MISSING', `there is no run.json at ${place}`)),
})
