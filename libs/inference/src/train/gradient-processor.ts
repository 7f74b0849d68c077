import { classify, LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import { type GradientJob, type PartResult, readPayload, type RunRecord, type TrainingPlan } from '@layermill/contracts'
import { type Exchange, parameterKeys, resultKeys } from '@layermill/queue'
import type { ImageSource, SourceAccess, Store } from '@layermill/storage'
import type { PublishedParameters } from '@layermill/training'
import { LeaseCache } from '../lease-cache.js'
import type { ModelProvider } from '../model-provider.js'
import { openTrainingSession } from './open-session.js'
import type { TrainingSession } from './training-session.js'

/** Result of a job besides the tensors in the exchange. The loss is text: JSON has no word for numbers that are not finite. */
export interface GradientJobResult {
  readonly samples: number
  readonly loss: string
  readonly correct: number
  /** Busy time of the worker since it last told it. */
  readonly phases?: PartResult['phases']
}

export interface GradientProcessorOptions {
  readonly provider: ModelProvider
  readonly exchange: Exchange
  readonly openStore: (url: string) => Promise<Store>
  readonly openSource: (source: string, access?: SourceAccess) => Promise<ImageSource>
  /** Images read and decoded at once for each micro-batch. */
  readonly readAhead: number
  /** See `openTrainingSession`. */
  readonly weightsOf?: (record: RunRecord) => string
  /** Name of this worker. */
  readonly worker?: string | undefined
}

interface OpenSession {
  readonly session: TrainingSession
  readonly plan: TrainingPlan
  readonly store: Store
  readonly spare: TensorMap[]
}

const statisticsMap = (batchNorm: ReadonlyMap<string, { mean: Float32Array; variance: Float32Array }>): Map<string, Tensor> =>
  new Map(
    [...batchNorm].flatMap(([name, { mean, variance }]) => [
      [`${name}/mean`, { shape: [mean.length], data: mean }] as const,
      [`${name}/variance`, { shape: [variance.length], data: variance }] as const,
    ]),
  )

/** Computes micro-batches of any fine-tuning run; trainers and their parameters stay between jobs. */
export class GradientProcessor {
  private readonly sessions = new LeaseCache<OpenSession>(1, async ({ session, store }) => {
    await session.close()
    await store.close()
  })

  constructor(private readonly options: GradientProcessorOptions) {}

  /**
   * Computes one micro-batch and puts the result in the exchange.
   * @throws LayermillError; `classify` says whether another attempt can help
   */
  async process(data: unknown, signal: AbortSignal): Promise<GradientJobResult> {
    const job = readPayload('gradient', data)
    const lease = await this.sessions.lease(`${job.run} ${job.store}`, () => this.open(job))
    try {
      const { clock } = lease.value.session
      const result = await clock.during('all', () =>
        job.purpose === 'train' ? this.train(job, lease.value, signal) : this.evaluate(job, lease.value, signal),
      )
      const { worker } = this.options
      return { ...result, phases: { ...(worker === undefined ? {} : { worker }), seconds: clock.take() } }
    } catch (error) {
      if (classify(error).scope === 'image') await lease.value.session.reachable()
      if (classify(error).code === 'ENGINE_FAILED') {
        await this.sessions.clear().catch(() => undefined)
        await this.options.provider.reset()
      }
      throw error
    } finally {
      lease.done()
    }
  }

  /**
   * Looks whether a micro-batch's run can be worked on from here.
   * @throws LayermillError as `process` would
   */
  async probe(data: unknown): Promise<void> {
    const { session, store } = await this.open(readPayload('gradient', data))
    try {
      await session.reachable()
    } finally {
      await session.close()
      await store.close()
    }
  }

  async close(): Promise<void> {
    await this.sessions.clear()
  }

  private async open(job: GradientJob): Promise<OpenSession> {
    const store = await this.options.openStore(job.store)
    const { session, plan, record } = await openTrainingSession({ ...this.options, store })
    if (record.id !== job.run) {
      await session.close()
      throw new LayermillError('RUN_CONFLICT', `${store.url} holds run ${record.id}, not ${job.run}`)
    }
    return { session, plan, store, spare: [] }
  }

  private async train(job: GradientJob, { session, plan, spare }: OpenSession, signal: AbortSignal): Promise<GradientJobResult> {
    const { exchange } = this.options
    const ready = await session.prepare(job.step, job.micro)
    signal.throwIfAborted()
    const { gradients, batchNorm, samples, loss, correct } = await session.gradients(
      ready,
      job.version,
      () => session.clock.during('exchange', () => this.load(job, plan)),
      spare.pop(),
    )
    const keys = resultKeys(job)
    // Another worker may have it by now, and its result may have been taken: nobody would delete this one.
    signal.throwIfAborted()
    await session.clock.during('write', async () => {
      if (batchNorm.size > 0) await exchange.put(keys.statistics, statisticsMap(batchNorm))
      await exchange.put(keys.values, gradients, { dtype: plan.exchange })
    })
    if (spare.length < 2) spare.push(gradients)
    return { samples, loss: String(loss), correct }
  }

  private async evaluate(job: GradientJob, { session, plan }: OpenSession, signal: AbortSignal): Promise<GradientJobResult> {
    const ready = await session.prepareEvaluation(job.micro)
    signal.throwIfAborted()
    const { logits, samples, loss, correct } = await session.evaluate(ready, job.version, () =>
      session.clock.during('exchange', () => this.load(job, plan)),
    )
    const { exchange } = this.options
    await session.clock.during('write', () => exchange.put(resultKeys(job).values, new Map([['logits', logits]])))
    return { samples, loss: String(loss), correct }
  }

  private async load(job: GradientJob, plan: TrainingPlan): Promise<PublishedParameters> {
    const { exchange } = this.options
    const keys = parameterKeys(job, job.version)
    const parameters = await exchange.get(keys.parameters)
    const statistics = plan.statistics.length === 0 ? new Map<string, Tensor>() : await exchange.get(keys.statistics)
    return { version: job.version, parameters, statistics }
  }
}
