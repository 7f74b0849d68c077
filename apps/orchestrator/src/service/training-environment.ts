import type { FinetuneSpec } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { TrainingEnvironment } from '../train/environment.js'

/** Environment of one fine-tuning run, opened for it alone. Disposed of, it ends what was opened: an engine, weights in memory. */
export interface OpenedTrainingEnvironment extends AsyncDisposable {
  readonly environment: TrainingEnvironment
}

/** How an orchestrator comes by what fine-tuning needs. */
export type OpenTrainingEnvironment = (spec: FinetuneSpec) => Promise<OpenedTrainingEnvironment>

/** Opens the environment of a fine-tuning run. @throws LayermillError `SPEC_INVALID` where this orchestrator does not fine-tune */
export async function openTrainingEnvironment(
  spec: FinetuneSpec,
  open: OpenTrainingEnvironment | undefined,
): Promise<OpenedTrainingEnvironment> {
  if (open === undefined) throw new LayermillError('SPEC_INVALID', 'kind: got finetune, expected extract or predict with this orchestrator')
  return open(spec)
}
