import { type AnalysisJob, makePayload } from '@layermill/contracts'
import { type Broker, type FailedReason, parseFailedReason } from '@layermill/queue'
import { analysesOf, analysisOptions, blockId, ended } from './analyses.js'

/** How a block stands: it waits for somebody, somebody has it, it has ended (how, the journal says), or no queue knows it. */
export interface BlockStanding {
  readonly state: 'waiting' | 'taken' | 'ended' | 'gone'
  /** Why whoever had it last could not do it. */
  readonly failed?: FailedReason
}

/** Blocks of one comparison that others may take. */
export interface SharedBlocks {
  /** Lets others take blocks; those that wait or are taken stay as they are. */
  offer(blocks: readonly number[]): Promise<void>
  /** How blocks stand, in their order. */
  look(blocks: readonly number[]): Promise<readonly BlockStanding[]>
  /** Takes a block for this process: nobody else gets it from then on. False where another one has it, and lives. */
  take(block: number): Promise<boolean>
}

/** A comparison that a command put together, as its jobs name it. */
export type SharedComparison = Pick<AnalysisJob, 'run' | 'store' | 'layers' | 'blocks' | 'compare'> & Required<Pick<AnalysisJob, 'sets'>>

/**
 * Blocks as jobs of the analyses' queue, which servers take from its front. A command takes one by removing its job, which the queue
 * allows as long as no lock is on it: one that waits, has failed, or whose server is gone.
 */
export class QueueBlocks implements SharedBlocks {
  /** @throws LayermillError `PAYLOAD_INVALID`, as for credentials in a place, and `PAYLOAD_TOO_LARGE` */
  constructor(
    private readonly broker: Broker,
    private readonly comparison: SharedComparison,
  ) {
    this.payload(0)
  }

  async offer(blocks: readonly number[]): Promise<void> {
    const queue = analysesOf(this.broker)
    for (const block of blocks) {
      const jobId = blockId(this.comparison.run, block)
      const before = await queue.getJob(jobId)
      if (before !== undefined && ended(await before.getState())) await before.remove()
      await queue.add('compare', this.payload(block), { ...analysisOptions, jobId })
    }
  }

  look(blocks: readonly number[]): Promise<readonly BlockStanding[]> {
    return Promise.all(blocks.map(block => this.standing(block)))
  }

  async take(block: number): Promise<boolean> {
    const job = await analysesOf(this.broker).getJob(blockId(this.comparison.run, block))
    if (job === undefined) return true
    try {
      await job.remove()
      return true
    } catch (error) {
      // Another one has it or had it by then, or has taken it off.
      const state = await job.getState()
      if (state === 'unknown') return true
      if (state === 'active' || ended(state)) return false
      throw error
    }
  }

  private async standing(block: number): Promise<BlockStanding> {
    const job = await analysesOf(this.broker).getJob(blockId(this.comparison.run, block))
    const state = await job?.getState()
    if (job === undefined || state === undefined || state === 'unknown') return { state: 'gone' }
    const { failedReason } = job
    const failed = typeof failedReason === 'string' && failedReason !== '' ? { failed: parseFailedReason(failedReason) } : {}
    return { state: state === 'active' ? 'taken' : ended(state) ? 'ended' : 'waiting', ...(state === 'completed' ? {} : failed) }
  }

  private payload(block: number): AnalysisJob {
    return makePayload('analysis', { v: 1, kind: 'compare', ...this.comparison, block })
  }
}
