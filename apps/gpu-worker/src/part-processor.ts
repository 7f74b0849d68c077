import { type Extractor, selfCheck, type SelfCheck } from '@layermill/engines'
import { classify, type PartJob, parseRunRecord, readPayload, type RunRecord } from '@layermill/jobs'
import { LayermillError, type Network } from '@layermill/models'
import { type ImageSource, readCommit, RUN_PATH, type Store } from '@layermill/storage'
import { LeaseCache } from './lease-cache.js'
import { findBatchSize } from './batch-size/batch-size.js'
import { batchSizeOfRun } from './batch-size/run-batch-size.js'
import { readSessionRanges } from './calibrate/session-ranges.js'
import type { ModelProvider, SessionRanges } from './model-provider.js'
import { computePart, type PartResult, type ReportProgress } from './part/compute-part.js'

/** A run that this worker has parts of. */
interface OpenRun {
  readonly record: RunRecord
  readonly store: Store
  readonly source: ImageSource
  readonly int8: SessionRanges | undefined
}

export interface PartProcessorOptions {
  readonly provider: ModelProvider
  readonly openStore: (url: string) => Promise<Store>
  readonly openSource: (source: string) => Promise<ImageSource>
  /** Images read and decoded at once for each part. */
  readonly readAhead: number
  /** Where this worker loads a run's weights from. Default: what the run's spec names. */
  readonly weightsOf?: (record: RunRecord) => string
}

export type { ReportProgress } from './part/compute-part.js'

/** Computes parts of any run: one process, one engine, networks and runs kept between parts. */
export class PartProcessor {
  private readonly runs = new LeaseCache<OpenRun>(4, async ({ store, source }) => {
    await source.close()
    await store.close()
  })

  private readonly batchSizes = new LeaseCache<number>(20, async () => undefined)
  private readonly checks = new LeaseCache<SelfCheck>(20, async () => undefined)

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

  /** Closes stores and sources; the provider is the caller's. */
  async close(): Promise<void> {
    await this.runs.clear()
  }

  private async openRun(job: PartJob): Promise<OpenRun> {
    const store = await this.options.openStore(job.store)
    const bytes = await store.get(RUN_PATH)
    if (bytes === undefined) throw new LayermillError('RUN_MISSING', `there is no run at ${store.url}`)
    const record = parseRunRecord(bytes, store.url)
    if (record.id !== job.run) throw new LayermillError('RUN_CONFLICT', `${store.url} holds run ${record.id}, not ${job.run}`)
    const int8 = await readSessionRanges(store, record)
    return { record, store, int8, source: await this.options.openSource(record.spec.source) }
  }

  /** Once for each network: the run asked for it, and who planned it had no engine. */
  private async checkEngine(network: string): Promise<void> {
    const lease = await this.checks.lease(network, async () => selfCheck(await this.options.provider.openEngine(), network))
    lease.done()
  }

  /** Once for each run, by the first of its parts here: the others wait. */
  private async batchSize(run: OpenRun, network: Network, extractor: Extractor): Promise<number> {
    const lease = await this.batchSizes.lease(`${run.record.id} ${run.store.url}`, () =>
      batchSizeOfRun(run.record, run.store, async () => findBatchSize({ record: run.record, network, engine: await this.options.provider.openEngine(), extractor })))
    lease.done()
    return lease.value
  }

  private async computeOnce(run: OpenRun, part: number, report: ReportProgress, signal: AbortSignal): Promise<PartResult> {
    const { record, store, int8 } = run
    const committed = await readCommit(store, part)
    if (committed !== undefined) return { images: committed.images, failed: committed.failed }
    const { model } = record.spec
    const weights = this.options.weightsOf?.(record) ?? record.spec.weights
    const loaded = await this.options.provider.model(model, weights)
    if (loaded.weights.sha256 !== record.identity.weights) {
      throw new LayermillError('WEIGHTS_HASH', `weights ${record.spec.weights} of ${model} are ${loaded.weights.sha256} here, the run's are ${record.identity.weights}`, {
        hint: 'a local file with this name differs from the one that the run was started with',
      })
    }
    if (record.spec.kind === 'extract' && record.spec.selfCheck && record.selfCheck === undefined) await this.checkEngine(loaded.network.id)
    const { size } = record.identity.preparation
    const inputSize = size === 'keep' ? undefined : ([size.height, size.width] as const)
    const session = await this.options.provider.session(model, weights, record.identity.layers, inputSize, int8)
    try {
      const batchSize = await this.batchSize(run, loaded.network, session.value)
      return await computePart({ ...run, part, loaded, extractor: session.value, batchSize, readAhead: this.options.readAhead, report, signal })
    } finally {
      session.done()
    }
  }
}
