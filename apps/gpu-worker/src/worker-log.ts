import type { FailedJob, FitnessEvent } from '@layermill/inference'
import { redact } from '@layermill/core'
import type { createLogger } from '@layermill/core/log'

/** A worker's JSON lines, and the words for people that go with some of them. */
export class WorkerLog {
  constructor(
    private readonly logger: ReturnType<typeof createLogger>,
    private readonly note: (text: string) => void,
  ) {}

  started(fields: { worker: string; engine: string; device: string; queue: string; version: string; health: string | undefined }): void {
    this.logger.info(fields, 'taking jobs')
  }

  stopping(signal: string): void {
    this.logger.info({ signal }, 'draining')
  }

  drained(handedBack: number): void {
    this.logger.info({ handedBack }, 'stopped')
  }

  /** One line for each job that ended without a result. */
  failed({ queue, run, job, code, message, outcome }: FailedJob): void {
    const fields = { queue, run, job, code, outcome, reason: message }
    if (outcome === 'failed') this.logger.error(fields, 'job failed')
    else this.logger.warn(fields, outcome === 'again' ? 'job failed, to be tried again' : 'job handed back to other workers')
  }

  fitness(event: FitnessEvent): void {
    const { kind, run } = event
    if (kind === 'unfit') {
      const { code, reason, since } = event
      this.logger.warn({ run, code, reason, since }, 'unfit for a run: its jobs go to other workers')
      this.note(`run ${run}: this worker cannot work on it, its parts go to others: ${redact(reason)} [${code}]`)
    } else if (kind === 'beyond') {
      const { job, code, reason } = event
      this.logger.warn({ run, job, code, reason }, 'jobs of a newer version: they go to newer workers, others of the run are done here')
      this.note(`run ${run}: this worker does not understand job ${job}, which goes to newer ones: ${redact(reason)} [${code}]`)
    } else if (kind === 'fit') {
      this.logger.info({ run }, 'fit for the run again')
      this.note(`run ${run}: this worker works on it again`)
    } else this.logger.info({ run }, kind === 'trial' ? 'the reason seems to be gone: one job decides' : 'the run is not met any more')
  }
}
