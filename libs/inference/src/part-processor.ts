import type { Extractor, SelfCheck } from '@layermill/engines'
import { classify, Gate, LayermillError } from '@layermill/core'
import { parseRunRecord, type PartJob, type PartResult, readPayload, runPath, type RunRecord } from '@layermill/contracts'
import type { Network, Size2 } from '@layermill/models'
import { countsOf, FeatureCache, type ImageSource, readCommit, type SourceAccess, type Store } from '@layermill/storage'
import { RunCache } from './cache/run-cache.js'
import { LeaseCache } from './lease-cache.js'
import { checkEngine } from './check-engine.js'
import { findBatchSize } from './batch-size/batch-size.js'
import { batchSizeOfRun } from './batch-size/run-batch-size.js'
import { ProjectionFile } from './reduce/projection-file.js'
import { prepareReducers, readReducers, type Reducers } from './reduce/reducer.js'
import { readSessionPrecision } from './session-precision.js'
import type { ModelOutline, ModelProvider, SessionPrecision } from './model-provider.js'
import { probeWriting } from './probe-writing.js'
import { computedByOf, requireCpu } from './required-cpu.js'
import { loadRunModel } from './run-model.js'
import type { AmongWorkers } from './part/doubts.js'
import { computePart, type ReportProgress } from './part/compute-part.js'
import { mostPartBytes, partBytes } from './part/part-bytes.js'
import { PartSessions } from './part/part-sessions.js'
import { PhaseClock } from './part/phase-clock.js'

/** A run that this worker has parts of. */
interface OpenRun {
  readonly record: RunRecord
  readonly store: Store
  readonly source: ImageSource
  readonly precision: SessionPrecision | undefined
  readonly reducers: Reducers
  readonly matrices: ProjectionFile
  /** Matrices of the reducers, once they are asked for. */
  prepared?: Promise<void>
  readonly cache: FeatureCache | undefined
  readonly clock: PhaseClock
}

async function dispose({ store, source, cache, matrices }: OpenRun): Promise<void> {
  matrices[Symbol.dispose]()
  await cache?.close()
  await source.close()
  await store.close()
}

/** Bytes that a cache may take where nothing is said. */
const defaultCacheSize = 10e9

export interface PartProcessorOptions {
  readonly provider: ModelProvider
  readonly openStore: (url: string) => Promise<Store>
  readonly openSource: (source: string, access?: SourceAccess) => Promise<ImageSource>
  /** Images read and decoded at once for each part. */
  readonly readAhead: number
  /** Place that this worker loads a run's weights from. Default: the place that the run's spec names. */
  readonly weightsOf?: (record: RunRecord) => string
  /** This worker, and how to learn of others. Given where there may be others. */
  readonly among?: AmongWorkers
  /** Told that a run's cache does not work, for people. */
  readonly note?: (text: string) => void
}

export type { ReportProgress } from './part/compute-part.js'

/** Computes parts of any run: one process, one engine, networks and runs kept between parts. */
export class PartProcessor {
  private readonly runs = new LeaseCache<OpenRun>(4, dispose)

  private readonly batchSizes = new LeaseCache<number>(20, async () => undefined)
  private readonly checks = new LeaseCache<SelfCheck>(20, async () => undefined)

  /** Bounds what parts under way hold. */
  private readonly room = new Gate(Infinity, mostPartBytes)

  constructor(private readonly options: PartProcessorOptions) {}

  /**
   * Computes one part and commits it; a part that is committed already is left alone.
   *
   * @param data the job's payload, checked here
   * @param signal aborts between batches: what is not committed is left for another worker
   * @throws LayermillError; `classify` says whether another attempt can help
   */
  async process(data: unknown, report: ReportProgress, signal: AbortSignal): Promise<PartResult> {
    const job = readPayload('part', data)
    const lease = await this.runs.lease(`${job.run}@${job.generation} ${job.store}`, () => this.openRun(job))
    try {
      return await this.computeOnce(lease.value, job.part, report, signal)
    } catch (error) {
      // A broken engine is replaced before the part is tried again.
      if (classify(error).code === 'ENGINE_FAILED') await this.options.provider.reset()
      throw error
    } finally {
      lease.done()
    }
  }

  /**
   * Looks whether a part's run can be worked on from here: its place can be read and written, its source reached, its network loaded and
   * made ready to run. Nothing that was opened before is trusted.
   * @throws LayermillError as `process` would
   */
  async probe(data: unknown): Promise<void> {
    const run = await this.openRun(readPayload('part', data))
    try {
      await run.source.reachable?.()
      await probeWriting(run.store)
      const { sessions } = await this.prepare(run)
      try {
        await sessions.session()
      } finally {
        await sessions.done()
      }
    } finally {
      await dispose(run)
    }
  }

  /** Closes stores and sources; the provider is the caller's. */
  async close(): Promise<void> {
    await this.runs.clear()
  }

  private async openRun(job: PartJob): Promise<OpenRun> {
    const store = await this.options.openStore(job.store)
    const bytes = await store.get(runPath)
    if (bytes === undefined) throw new LayermillError('RUN_MISSING', `there is no run at ${store.url}`)
    const record = parseRunRecord(bytes, store.url, true)
    if (record.id !== job.run) throw new LayermillError('RUN_CONFLICT', `${store.url} holds run ${record.id}, not ${job.run}`)
    const precision = await readSessionPrecision(store, record)
    const matrices = new ProjectionFile()
    const reducers = await readReducers(store, record, matrices.keep)
    const cache = await this.openCache(record)
    const source = await this.options.openSource(record.spec.source, record.spec)
    return { record, store, precision, reducers, matrices, cache, source, clock: new PhaseClock() }
  }

  private async openCache({ spec }: RunRecord): Promise<FeatureCache | undefined> {
    if (spec.cache === undefined) return undefined
    const note = this.options.note ?? (() => undefined)
    return new FeatureCache(await this.options.openStore(spec.cache), { limit: spec.cacheSize ?? defaultCacheSize, note })
  }

  /** Once for each network: the run asked for it, and who planned it had no engine. */
  private async checkEngine(network: Network, layers: readonly string[], size: Size2 | undefined): Promise<void> {
    const lease = await this.checks.lease(JSON.stringify([network.id, layers]), async () =>
      checkEngine(await this.options.provider.openEngine(), network, layers, size),
    )
    lease.done()
  }

  /** Once for each run, by the first of its parts here: the others wait. */
  private async batchSize(run: OpenRun, network: Network, session: () => Promise<Extractor>): Promise<number> {
    const lease = await this.batchSizes.lease(`${run.record.id} ${run.store.url}`, () =>
      batchSizeOfRun(run.record, run.store, async () =>
        findBatchSize({ record: run.record, network, engine: await this.options.provider.openEngine(), extractor: await session() }),
      ),
    )
    lease.done()
    return lease.value
  }

  private async computeOnce(run: OpenRun, part: number, report: ReportProgress, signal: AbortSignal): Promise<PartResult> {
    const { record, store } = run
    const committed = await readCommit(store, part)
    if (committed !== undefined) return countsOf(committed)
    const { loaded, sessions } = await this.prepare(run)
    run.prepared ??= prepareReducers(record, loaded.network, run.reducers)
    await run.prepared
    const engine = await this.options.provider.openEngine()
    const computedBy = await computedByOf(engine)
    const cache = run.cache && new RunCache(run.cache, { record, network: loaded.network, engine, cpu: computedBy.cpu })
    const batchSize = async (): Promise<number> => this.batchSize(run, loaded.network, () => sessions.session())
    const { readAhead, among } = this.options
    try {
      const input = { ...run, part, loaded, cache, extractor: sessions, batchSize, readAhead, among, computedBy, report, signal }
      const compute = (): Promise<PartResult> => run.clock.during('all', () => computePart(input))
      const result = await this.room.run(compute, partBytes(record, loaded.network), signal)
      const worker = among?.worker
      return { ...result, phases: { ...(worker === undefined ? {} : { worker }), seconds: run.clock.take() } }
    } finally {
      await sessions.done()
    }
  }

  /** The run's network, checked where it asks for that, and the sessions that its layers come from. */
  private async prepare({ record, store, precision }: OpenRun): Promise<{ loaded: ModelOutline; sessions: PartSessions }> {
    await requireCpu(record, store, this.options.provider)
    const { model } = record.spec
    const weights = this.options.weightsOf?.(record) ?? record.spec.weights
    const loaded = await loadRunModel(this.options.provider, record, { model, weights })
    const { size } = record.identity.preparation
    const inputSize = size === 'keep' ? undefined : ([size.height, size.width] as const)
    const { provider } = this.options
    const { layers } = record.identity
    const checks = record.spec.kind === 'extract' && record.spec.selfCheck && record.selfCheck === undefined
    if (checks) await this.checkEngine(loaded.network, layers, inputSize)
    // An int8 run's ranges are for all its layers together.
    const sessions = new PartSessions(layers, some =>
      provider.session(model, weights, precision === undefined ? some : layers, inputSize, precision),
    )
    return { loaded, sessions }
  }
}
