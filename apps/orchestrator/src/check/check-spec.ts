import { parseModelReference, type RunSpec } from '@layermill/contracts'
import { getNetwork, networkIds } from '@layermill/models'
import { checkInference } from '../run/check-inference.js'

/**
 * Refuses what cannot work, as far as it can be told without weights and images: the one check of the command line, the HTTP API and
 * schedules, besides the schema. Fine-tuned models are looked at when they are loaded, registered ones when their version is known.
 * @throws LayermillError `MODEL_UNKNOWN`, `LAYER_UNKNOWN`, `INPUT_SIZE`, `PRECISION_UNAVAILABLE`, `PREPARATION_UNKNOWN`; of fine-tuning
 * also
 *   `SPEC_INVALID`, `HEAD_INVALID`, `SCALE_INVALID`
 */
export async function checkSpec(spec: RunSpec): Promise<void> {
  const { model } = spec
  const isPlace = /[/\\]/.test(model)
  if (!isPlace && parseModelReference(model) === undefined && !networkIds.includes(model)) getNetwork(model)
  if (spec.kind !== 'finetune') checkInference(spec)
  // The code of training takes its time to load, which other kinds of runs do not need.
  else if (networkIds.includes(model)) (await import('../train/check-training.js')).checkTraining(spec)
}
