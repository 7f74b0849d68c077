import { beatInterval, queueNames, type WorkerBeat } from '@layermill/contracts'
import type { Broker, JobQueue } from '@layermill/queue'

export interface HeartbeatOptions {
  /** Milliseconds between two. Default 5 s. */
  readonly interval?: number
  /** The worker as it is now. */
  readonly beat: () => WorkerBeat
}

/** Tells the fleet that this worker lives and what it does: one job on a queue that nobody works off, whose data is the last beat. */
export class Heartbeat {
  private readonly queue: JobQueue<WorkerBeat>
  private timer: NodeJS.Timeout | undefined
  private sending: Promise<void> = Promise.resolve()

  constructor(
    broker: Broker,
    private readonly options: HeartbeatOptions,
  ) {
    this.queue = broker.queue<WorkerBeat>(queueNames.workers)
  }

  /** Beats once, then again and again. */
  async start(): Promise<void> {
    await this.send()
    this.timer = setInterval(() => void this.beat(), this.options.interval ?? beatInterval)
  }

  /** Beats now; never rejects: one that is lost is followed by others. */
  beat(): Promise<void> {
    this.sending = this.sending.then(() => this.send()).catch(() => undefined)
    return this.sending
  }

  /** Takes the worker off the list. */
  async stop(): Promise<void> {
    clearInterval(this.timer)
    await this.sending
    await this.queue.remove(this.options.beat().id)
  }

  private async send(): Promise<void> {
    const beat = this.options.beat()
    const job = await this.queue.getJob(beat.id)
    // A queue that was wiped has forgotten it.
    if (job === undefined) await this.queue.add('worker', beat, { jobId: beat.id })
    else await job.updateData(beat)
  }
}
