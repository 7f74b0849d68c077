import { comparisonBlocks } from '@layermill/analysis'
import {
  type Analysis,
  type AnalysisBody,
  type AnalysisJob,
  analysisKinds,
  type AnalysisKind,
  type AnalysisService,
  makePayload,
  parseSpec,
  queueNames,
  readPayload,
  type RunDetail,
  type RunService,
  runStoreUrl,
} from '@layermill/contracts'
import { LayermillError, redact } from '@layermill/core'
import {
  type Broker,
  handBack,
  handBackLater,
  type JobQueue,
  type JobsOptions,
  parseFailedReason,
  type QueuedJob,
  toJobError,
} from '@layermill/queue'

/** Attempts where a store or a process fails; a process that vanished is none. Kept for a week, so that the state can be asked for. */
export const analysisOptions: JobsOptions = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 10_000, jitter: 0.5 },
  removeOnComplete: { age: 7 * 24 * 3600, count: 1000 },
  removeOnFail: { age: 7 * 24 * 3600, count: 1000 },
}

const jobId = (kind: AnalysisKind, run: string): string => `${kind}-${run}`
/** Id of the job of a comparison's block. */
export const blockId = (run: string, block: number): string => `${jobId('compare', run)}-block-${block}`
const blockIds = ({ run, blocks }: AnalysisJob): string[] => Array.from({ length: blocks }, (_, block) => blockId(run, block))
/** Milliseconds after which a comparison looks again whether its blocks have ended. */
const blocksDelay = 500
const instant = (time: number): string => new Date(time).toISOString()
export const analysesOf = (broker: Broker): JobQueue<AnalysisJob> => broker.queue<AnalysisJob>(queueNames.analyses)

/** Folder of an analysis' results: below the run's, or the one that a command named. */
const outOf = ({ store, kind, sets }: AnalysisJob): string => (sets === undefined ? `${store}/${kind}` : store)

/** An analysis in words, for the log. */
function titleOf({ kind, run, store, sets, block, blocks }: AnalysisJob): string {
  const what = sets === undefined ? `${kind} of ${run}` : `${kind} for ${store}`
  return `${what}${block === undefined ? '' : `, block ${block + 1} of ${blocks}`}`
}

const states: Readonly<Record<string, Analysis['state']>> = { active: 'running', completed: 'done', failed: 'failed' }

/** States of a comparison's blocks that the queue knows. */
async function blockStates(queue: JobQueue<AnalysisJob>, data: AnalysisJob): Promise<string[]> {
  const jobs = await Promise.all(blockIds(data).map(id => queue.getJob(id)))
  return Promise.all(jobs.flatMap(job => (job === undefined ? [] : [job.getState()])))
}

/** Whether a job in this state is past. */
export const ended = (state: string): boolean => state === 'completed' || state === 'failed'

/** Whether a job need not wait for the blocks that it puts together. */
const blocksEnded = async (queue: JobQueue<AnalysisJob>, data: AnalysisJob): Promise<boolean> =>
  data.block !== undefined || data.blocks === 0 || (await blockStates(queue, data)).every(ended)

async function describe(queue: JobQueue<AnalysisJob>, job: QueuedJob<AnalysisJob>): Promise<Analysis> {
  const data = readPayload('analysis', job.data)
  const own = states[await job.getState()] ?? 'waiting'
  const blocks = data.blocks > 0 && own === 'waiting' ? await blockStates(queue, data) : []
  const state = blocks.some(of => of === 'active' || ended(of)) ? 'running' : own
  const { processedOn, finishedOn, failedReason } = job
  const hasFailed = state !== 'done' && typeof failedReason === 'string' && failedReason !== ''
  const { code, message, hint } = parseFailedReason(failedReason ?? '')
  return {
    kind: data.kind,
    state,
    ...(data.layers === undefined ? {} : { layers: data.layers }),
    out: outOf(data),
    added: instant(job.timestamp),
    ...(typeof processedOn === 'number' ? { started: instant(processedOn) } : {}),
    ...(typeof finishedOn === 'number' && state !== 'waiting' ? { finished: instant(finishedOn) } : {}),
    attempts: job.attemptsMade,
    ...(hasFailed
      ? { error: { code, message: redact(message).slice(0, 4000), ...(hint === undefined ? {} : { hint: redact(hint) }) } }
      : {}),
  }
}

type AuditBody = Extract<AnalysisBody, { kind: 'audit' }>

/** A finished run's place. @throws LayermillError `NOT_RECORDED` */
function placeOf({ id, kind, state, layers = [], place, spec }: RunDetail): string {
  if (kind !== 'extract' || state !== 'done' || layers.length === 0) {
    const what = kind === 'extract' ? `is ${state}, expected one that is done` : `is a ${kind} run, expected an extraction`
    throw new LayermillError('NOT_RECORDED', `The run ${id} ${what}: there are no features to look at`)
  }
  return (place ?? runStoreUrl(parseSpec(spec))).replace(/\/+$/, '')
}

/**
 * Analyses of runs as jobs, each of the kinds once a run. A comparison of many layers has a job for each block of pairs besides, and the
 * one of its own puts together what they have found; what a block that failed left out, it does itself.
 */
export class QueueAnalyses implements AnalysisService {
  constructor(
    private readonly broker: Broker,
    private readonly runs: Pick<RunService, 'get'>,
  ) {}

  async start(run: string, body: AnalysisBody): Promise<Analysis> {
    const detail = await this.runs.get(run)
    const store = placeOf(detail)
    const names = (detail.layers ?? []).map(({ name }) => name)
    const layer = body.kind === 'audit' ? (body.layer ?? names.at(-1)) : undefined
    if (layer !== undefined && !names.includes(layer))
      throw new LayermillError('LAYER_MISSING', `The run ${run} has no features of ${layer}; it has ${names.join(', ')}`)
    const layers = body.kind === 'audit' ? layer : body.layers
    const others = body.kind === 'audit' ? [] : await Promise.all((body.with ?? []).map(async id => placeOf(await this.runs.get(id))))
    // As many blocks as sets are worth: where fewer layers fit a pattern, blocks without a pair end at once.
    const blocks = body.kind === 'compare' ? comparisonBlocks(names.length * (1 + others.length)) : 0
    const data = makePayload('analysis', {
      v: 1,
      run,
      store,
      kind: body.kind,
      ...(layers === undefined ? {} : { layers }),
      others,
      blocks,
      ...(body.kind === 'audit' ? { audit: await this.placed(body.settings) } : { compare: body.settings }),
    })
    const queue = analysesOf(this.broker)
    const id = jobId(body.kind, run)
    const known = await queue.getJob(id)
    // One of the same id that waits or runs is given back as it is.
    if (known !== undefined && !ended(await known.getState())) return describe(queue, known)
    await known?.remove()
    // In front of the job that puts them together, which a single server takes last.
    for (const [block, each] of blockIds(data).entries()) {
      const before = await queue.getJob(each)
      if (before !== undefined && ended(await before.getState())) await before.remove()
      await queue.add(body.kind, makePayload('analysis', { ...data, block }), { ...analysisOptions, jobId: each })
    }
    await queue.add(body.kind, data, { ...analysisOptions, jobId: id })
    const job = await queue.getJob(id)
    if (job === undefined) throw new LayermillError('UNAVAILABLE', `The queue has lost the ${body.kind} of ${run}`)
    return describe(queue, job)
  }

  /** Settings of an audit with the places of the runs that they name. */
  private async placed(settings: AuditBody['settings']): Promise<AuditBody['settings']> {
    const placed = { ...settings }
    for (const name of ['heldOut', 'reference'] as const)
      if (placed[name] !== undefined) placed[name] = placeOf(await this.runs.get(placed[name]))
    return settings && placed
  }

  async cancel(run: string, kind: AnalysisKind): Promise<void> {
    await this.runs.get(run)
    const queue = analysesOf(this.broker)
    const job = await queue.getJob(jobId(kind, run))
    if (job === undefined || ended(await job.getState()))
      throw new LayermillError('NOT_RECORDED', `There is no ${kind} of ${run} that waits or runs`)
    for (const id of [jobId(kind, run), ...blockIds(readPayload('analysis', job.data))]) {
      const each = await queue.getJob(id)
      if (each === undefined || ended(await each.getState())) continue
      await each.updateData({ ...each.data, cancel: true })
      // One that a server has taken cannot be removed: the server looks for the mark.
      await each.remove().catch(() => undefined)
    }
  }

  async list(run: string): Promise<Analysis[]> {
    await this.runs.get(run)
    const queue = analysesOf(this.broker)
    const jobs = await Promise.all(analysisKinds.map(kind => queue.getJob(jobId(kind, run))))
    return Promise.all(jobs.flatMap(job => (job === undefined ? [] : [describe(queue, job)])))
  }
}

/** Carries out one analysis: its results are in `out` when it resolves. Ends early, by rejecting, when the signal says so. */
export type CarryOutAnalysis = (job: AnalysisJob & { readonly out: string }, signal: AbortSignal) => Promise<void>

export interface AnalysisWorkerOptions {
  readonly carryOut: CarryOutAnalysis
  /** Milliseconds after which another process takes over the analysis of one that is gone. */
  readonly lockDuration?: number
  /** Milliseconds between looks whether an analysis was cancelled. Default 2 s. */
  readonly cancelInterval?: number
  /** For the log. */
  readonly note?: (text: string) => void
}

export interface AnalysisWorker {
  /** Ends the analysis under way, and hands it back for another process. */
  close(): Promise<void>
}

/** Carries out the analyses of a queue, one at a time. Several processes may do so for one queue. */
export function startAnalysisWorker(
  broker: Broker,
  { carryOut, lockDuration, cancelInterval = 2000, note }: AnalysisWorkerOptions,
): AnalysisWorker {
  const stop = new AbortController()
  const worker = broker.worker<AnalysisJob>(
    queueNames.analyses,
    async (job: QueuedJob<AnalysisJob>, token, signal) => {
      const cancelled = new AbortController()
      const stopping = AbortSignal.any([stop.signal, cancelled.signal, ...(signal === undefined ? [] : [signal])])
      const look = async (): Promise<void> => {
        const current = await analysesOf(broker).getJob(job.id!)
        if (current?.data.cancel === true) cancelled.abort(new LayermillError('ANALYSIS_CANCELLED', 'cancelled by request'))
      }
      const watch = setInterval(() => void look().catch(() => undefined), cancelInterval)
      let hasBegun = true
      try {
        const data = readPayload('analysis', job.data)
        hasBegun = await blocksEnded(analysesOf(broker), data)
        if (hasBegun) {
          const title = titleOf(data)
          note?.(`${title}: begins`)
          await carryOut({ ...data, out: outOf(data) }, stopping)
          note?.(`${title}: done`)
        }
      } catch (error) {
        if (stop.signal.aborted) return await handBack(job, token)
        throw await toJobError(cancelled.signal.aborted ? cancelled.signal.reason : error)
      } finally {
        clearInterval(watch)
      }
      if (!hasBegun) await handBackLater(job, token, blocksDelay)
    },
    lockDuration === undefined ? {} : { lockDuration, lockRenewTime: lockDuration / 2, stalledInterval: lockDuration / 2 },
  )
  return {
    async close() {
      stop.abort()
      await worker.close()
    },
  }
}
