import { type IQueueBackend, Worker } from 'bullmq'

/** BullMQ's worker, which can also be given up: its `close()` waits for its jobs as long as they take. */
export class JobWorker<T, R = unknown> extends Worker<T, R, string, IQueueBackend, import('bullmq').JobProgress, unknown> {
  /** Aborts the jobs' signals and lets their locks run out. */
  async abandon(): Promise<void> {
    this.cancelAllJobs('the worker is shutting down')
    await this.lockManager.close()
    await this.backend.disconnect()
  }
}
