import {
  hasEnded,
  parseSpec,
  type RunDetail,
  type RunEvent,
  type RunEventOptions,
  type RunListQuery,
  type RunPage,
  type RunPlan,
  type RunService,
  type RunShelf,
  type RunSpec,
  type RunState,
  runStoreUrl,
  type RunSummary,
  type RunWords,
} from '@layermill/contracts'
import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { type ShelfStore, type ShelvedRun, wordsOf } from './run-shelf.js'
import { selectRuns } from './select-runs.js'
import { readStored, storedDetail } from './stored-run.js'

export interface ShelvedRunsOptions {
  readonly openStore: (url: string) => Promise<Store>
  /** Checks a place before it is opened. @throws LayermillError `PLACE_REFUSED` */
  readonly checkPlace: (place: string) => Promise<void>
  /** Checks what a run that was found at a place reads: its record may have come from anywhere. @throws LayermillError `PLACE_REFUSED` */
  readonly checkSpec: (spec: RunSpec) => Promise<void>
  /** Told of entries that could not be written. */
  readonly note: (text: string) => void
}

/** Runs of the queue that are put on the shelf for one list; the next list goes on. */
const mostAtOnce = 50
const everything: RunListQuery = { limit: Number.MAX_SAFE_INTEGER }

const isUnknown = (error: unknown): boolean => errorCode(error) === 'RUN_UNKNOWN'

/** A run's detail in short, as lists have it. */
function shortOf({
  id,
  kind,
  state,
  source,
  model,
  out,
  counts,
  created,
  finished,
  error,
  seconds,
  accuracy,
  layers,
}: RunDetail): RunSummary {
  const names = layers?.map(({ name }) => name) ?? []
  return {
    ...{ id, kind, state, source, model, out, counts, created, finished, error },
    ...(seconds === undefined ? {} : { seconds }),
    ...(accuracy === undefined ? {} : { accuracy }),
    ...(names.length === 0 ? {} : { layerNames: names }),
  }
}

/** Runs of a queue with those that it forgot, those that were opened from their places, and the words of people on all of them. */
export class ShelvedRuns implements RunService, RunShelf {
  private noting: Promise<void> | undefined

  constructor(
    private readonly runs: RunService,
    private readonly shelf: ShelfStore,
    private readonly options: ShelvedRunsOptions,
  ) {}

  async submit(spec: RunSpec): Promise<RunSummary> {
    const summary = await this.runs.submit(spec)
    await this.shelf.note(runStoreUrl(spec), summary).catch((error: unknown) => this.complain(error))
    return summary
  }

  plan(spec: RunSpec, signal?: AbortSignal): Promise<RunPlan> {
    return this.runs.plan(spec, signal)
  }

  async list(query: RunListQuery): Promise<RunPage> {
    const [queued, shelved] = await Promise.all([this.runs.list(everything), this.shelved()])
    const byId = new Map(shelved.map(run => [run.summary.id, run]))
    this.keep(queued.runs, byId)
    const live = new Set(queued.runs.map(({ id }) => id))
    const forgotten = shelved.filter(({ summary }) => !live.has(summary.id)).map(({ summary }) => summary)
    const current = queued.runs.map(run => {
      const { accuracy, ...known } = byId.get(run.id)?.summary ?? {}
      return { ...run, ...(accuracy === undefined ? {} : { accuracy }), ...wordsOf(known) }
    })
    return selectRuns([...current, ...forgotten], query)
  }

  async get(id: string): Promise<RunDetail> {
    const [run, shelved] = await Promise.all([
      this.runs.get(id).catch((error: unknown) => {
        if (isUnknown(error)) return undefined
        throw error
      }),
      this.shelf.get(id).catch(() => undefined),
    ])
    if (run !== undefined) return { ...run, ...wordsOf(shelved?.summary) }
    if (shelved === undefined) return this.runs.get(id)
    return this.stored(shelved)
  }

  cancel(id: string): Promise<RunSummary> {
    return this.runs.cancel(id)
  }

  pause(id: string): Promise<RunSummary> {
    return this.runs.pause(id)
  }

  resume(id: string): Promise<RunSummary> {
    return this.runs.resume(id)
  }

  async *events(id: string, options: RunEventOptions): AsyncGenerator<RunEvent, void, undefined> {
    try {
      yield* this.runs.events(id, options)
    } catch (error) {
      const shelved = isUnknown(error) ? await this.shelf.get(id).catch(() => undefined) : undefined
      if (shelved === undefined) throw error
      const data = shortOf(await this.stored(shelved))
      if (options.after !== data.state) yield { id: data.state, event: 'state', data }
    }
  }

  countByState(): Promise<Partial<Record<RunState, number>>> {
    return this.runs.countByState()
  }

  async describe(id: string, words: RunWords): Promise<RunSummary> {
    const run = await this.get(id)
    return (await this.shelf.describe({ store: run.place ?? runStoreUrl(parseSpec(run.spec)), summary: shortOf(run) }, words)).summary
  }

  async open(place: string): Promise<RunSummary> {
    await this.options.checkPlace(place)
    await using store = await this.options.openStore(place)
    const { record, ...more } = await readStored(store)
    if (record === undefined) throw new LayermillError('RUN_MISSING', `there is no run.json at ${place}`)
    await this.options.checkSpec({ ...record.spec, out: place })
    const detail = await storedDetail({ ...more, record }, this.options.openStore)
    return (await this.shelf.note(store.url, shortOf(detail))).summary
  }

  /** A run that only the shelf knows, as its store has it; as it was last seen where the store has it no more. */
  private async stored({ store: url, summary }: ShelvedRun): Promise<RunDetail> {
    await using store = await this.options.openStore(url)
    const { record, ...more } = await readStored(store)
    if (record?.id !== summary.id)
      throw new LayermillError('RUN_UNKNOWN', `The run ${summary.id} is not at ${url} any more`, {
        hint: 'its files were removed, or another run was written over it',
      })
    await this.options.checkSpec({ ...record.spec, out: url })
    // The spec says where the run was when it was made; its files are here now.
    const detail = await storedDetail({ ...more, record }, this.options.openStore)
    return { ...detail, ...wordsOf(summary), place: url }
  }

  private async shelved(): Promise<readonly ShelvedRun[]> {
    return this.shelf.all().catch((error: unknown) => {
      this.complain(error)
      return []
    })
  }

  /** Puts what has ended on the shelf as it ended, a few runs at a time, while nobody waits for it. */
  private keep(queued: readonly RunSummary[], shelved: ReadonlyMap<string, ShelvedRun>): void {
    const unseen = queued.filter(({ id, state }) => hasEnded(state) && shelved.get(id)?.summary.state !== state).slice(0, mostAtOnce)
    if (this.noting !== undefined || unseen.length === 0) return
    this.noting = this.noteAll(unseen)
      .catch((error: unknown) => this.complain(error))
      .finally(() => {
        this.noting = undefined
      })
  }

  private async noteAll(runs: readonly RunSummary[]): Promise<void> {
    for (const { id } of runs) {
      const run = await this.runs.get(id)
      await this.shelf.note(runStoreUrl(parseSpec(run.spec)), shortOf(run))
    }
  }

  private complain(error: unknown): void {
    this.options.note(`the list of runs that outlives the queue: ${errorMessage(error)}`)
  }
}
