import type { FinetuneSpec } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { PartQueue } from '../run/part-queue.js'
import type { TrainingEnvironment } from '../train/environment.js'

/** Environment of one fine-tuning run, opened for it alone. */
export interface OpenedTrainingEnvironment {
  readonly environment: TrainingEnvironment
  /** Ends what was opened: an engine, weights in memory. */
  close(): Promise<void>
}

/** How an orchestrator comes by what fine-tuning needs. */
export type OpenTrainingEnvironment = (spec: FinetuneSpec) => Promise<OpenedTrainingEnvironment>

export interface JobTrainingOptions {
  readonly open: OpenTrainingEnvironment | undefined
  /** Guards a store against writes of an orchestrator that has lost the run. */
  readonly fence: (store: Store) => Store
  /** Keeps waiting parts where the run is handed over. */
  readonly lasting: (queue: PartQueue) => PartQueue
}

/** The fine-tuning side of one job: opened at the first use, and only where the job is one of fine-tuning. */
export class JobTraining {
  private opened: Promise<OpenedTrainingEnvironment> | undefined

  constructor(private readonly options: JobTrainingOptions) {}

  /** @throws LayermillError `SPEC_INVALID` where this orchestrator does not fine-tune. */
  async environment(spec: FinetuneSpec): Promise<TrainingEnvironment> {
    const { open, fence, lasting } = this.options
    if (open === undefined)
      throw new LayermillError('SPEC_INVALID', 'kind: got finetune, expected extract or predict with this orchestrator')
    this.opened ??= open(spec)
    const { environment } = await this.opened
    const { runs } = environment
    return {
      ...environment,
      runs: {
        ...runs,
        openStore: async url => fence(await runs.openStore(url)),
        queue: async (record, store) => lasting(await runs.queue(record, store)),
      },
    }
  }

  async close(): Promise<void> {
    // A failure to open was told to the caller that asked for it.
    const opened = await this.opened?.catch(() => undefined)
    await opened?.close()
  }
}
