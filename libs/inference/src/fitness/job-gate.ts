import type { JobQueue, JobWorker, QueuedJob } from '@layermill/queue'

/** Place of a job that may be taken: the next one, or brought there over others that may not. */
type Found = 'next' | 'brought' | undefined

/** Jobs read at once while one is looked for, and how many are looked at in all. */
const page = 100
const mostLookedAt = 5000
/** Milliseconds between two looks. */
const wait = { first: 250, most: 2000 }

export interface JobGateOptions<Data> {
  readonly worker: Pick<JobWorker<Data>, 'pause' | 'resume' | 'isRunning' | 'on'>
  readonly queue: JobQueue<Data>
  /** Whether the worker may take a job. Asked often. */
  readonly admits: (job: QueuedJob<Data>) => boolean
}

/**
 * Keeps a worker from taking jobs that it must hand back. A queue's next job goes to whoever asks first, so a worker that is unfit for it
 * stops asking, and looks instead, less and less often, for a job that it may take; that one it puts at the head before it asks again.
 */
export class JobGate<Data> {
  private closed = false
  private ended = false
  private delay: number = wait.first
  private timer: NodeJS.Timeout | undefined
  private looking = false
  /** Open for one job: those behind it may not be taken. */
  private single = false

  constructor(private readonly options: JobGateOptions<Data>) {
    options.worker.on('closing', () => this.end())
    // Told before the worker asks for another one.
    options.worker.on('active', () => {
      if (!this.single) return
      this.close()
      this.lookNow()
    })
  }

  /** Stops taking jobs until there is one that may be taken. */
  close(): void {
    if (this.closed || this.ended) return
    this.closed = true
    this.single = false
    void this.options.worker.pause(true).catch(() => undefined)
    this.schedule(this.delay)
  }

  /** A job was taken that the worker keeps: what it finds next is worth looking for soon. */
  passed(): void {
    this.delay = wait.first
  }

  /** Looks at once where the gate is closed: the jobs that may be taken have changed. */
  lookNow(): void {
    if (this.closed && !this.ended) this.schedule(0)
  }

  private end(): void {
    this.ended = true
    clearTimeout(this.timer)
  }

  private resume(): Promise<void> {
    return this.options.worker.resume().catch(() => undefined)
  }

  private schedule(delay: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.look(), delay)
  }

  private async look(): Promise<void> {
    if (this.looking || this.ended) return
    this.looking = true
    // A queue that does not answer now is asked again.
    const found = await this.bringForward().catch(() => undefined)
    this.looking = false
    if (this.ended || !this.closed) return
    this.delay = Math.min(wait.most, this.delay * 1.5)
    if (found === undefined) return this.schedule(this.delay)
    this.closed = false
    this.single = found === 'brought'
    await this.resume()
    // A worker that was just coming to rest when it was told to go on rests all the same.
    setImmediate(() => {
      if (!this.closed && !this.ended && !this.options.worker.isRunning()) void this.resume()
    })
  }

  /** Looks for a job that may be taken, in the order in which they would be, and sees to it that it is the next. */
  private async bringForward(): Promise<Found> {
    let first = true
    for (const state of ['waiting', 'prioritized'] as const) {
      for (let from = 0; from < mostLookedAt; from += page) {
        const jobs = await this.options.queue.getJobs([state], from, from + page - 1, true)
        for (const job of jobs) {
          // A job may be removed, or taken, while the list is read.
          if (job?.id === undefined) continue
          if (this.options.admits(job)) {
            if (first) return 'next'
            await job.changePriority({ priority: 0, lifo: true }).catch(() => undefined)
            return 'brought'
          }
          first = false
        }
        if (jobs.length < page) break
      }
    }
    // Nothing waits that must be left to others: what comes next may be this worker's.
    return first ? 'next' : undefined
  }
}
