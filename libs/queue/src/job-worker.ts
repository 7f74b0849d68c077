import { type IQueueBackend, LockManager, Worker } from 'bullmq'

/** Record that BullMQ keeps of a job whose lock it renews. */
type Held = { token: string; ts: number; abortController?: NonNullable<ReturnType<LockManager['trackJob']>> }

/**
 * BullMQ renews locks by job. A queue that was wiped may give a worker a job again while it is still at it: when the first of the two
 * ended, the second one's lock was renewed no more, and ran out under it. Here each taking of a job has its own.
 */
class LockPerTaking extends LockManager {
  private readonly taken = new Map<string, { readonly jobId: string; readonly held: Held }>()

  override trackJob(jobId: string, token: string, ts: number, shouldCreateController?: boolean): ReturnType<LockManager['trackJob']> {
    const controller = super.trackJob(jobId, token, ts, shouldCreateController)
    const held = this.trackedJobs.get(jobId)
    if (held !== undefined) this.taken.set(token, { jobId, held })
    return controller
  }

  /** Ends a taking, and goes on with another one of the same job. */
  left(jobId: string, token: string): void {
    this.taken.delete(token)
    const other = [...this.taken.values()].find(taking => taking.jobId === jobId)
    if (!this.closed && other !== undefined) this.trackedJobs.set(jobId, other.held)
  }
}

/** BullMQ's worker, which can also be given up: its `close()` waits for its jobs as long as they take. */
export class JobWorker<T, R = unknown> extends Worker<T, R, string, IQueueBackend, import('bullmq').JobProgress, unknown> {
  /** Aborts the jobs' signals and lets their locks run out. */
  async abandon(): Promise<void> {
    this.cancelAllJobs('the worker is shutting down')
    await this.lockManager.close()
    await this.backend.disconnect()
  }

  override async processJob(...args: Parameters<Worker<T, R>['processJob']>): ReturnType<Worker<T, R>['processJob']> {
    const [job, token] = args
    try {
      return await super.processJob(...args)
    } finally {
      if (this.lockManager instanceof LockPerTaking) this.lockManager.left(job.id ?? '', token)
    }
  }

  protected override createLockManager(): void {
    const { lockRenewTime = 30_000, lockDuration = 60_000, name } = this.opts
    const named = name === undefined ? {} : { workerName: name }
    // BullMQ's own types of `trace` disagree.
    const worker = this as unknown as ConstructorParameters<typeof LockManager>[0]
    this.lockManager = new LockPerTaking(worker, { lockRenewTime, lockDuration, workerId: this.id, ...named })
  }
}
