import { LayermillError } from '@layermill/core'

/** How the learning rate moves over a run; a factor of the optimizer's own. */
export type Schedule =
  | { readonly kind: 'constant'; readonly warmup?: number }
  /** Times `gamma` (default 0.1) at each of the epochs, which need not be whole. */
  | { readonly kind: 'step'; readonly epochs: readonly number[]; readonly gamma?: number; readonly warmup?: number }
  /** Half a cosine from 1 to `final` (default 0) over the run. */
  | { readonly kind: 'cosine'; readonly final?: number; readonly warmup?: number }

/** A run's length: steps in an epoch and in all. */
export interface RunLength {
  readonly stepsPerEpoch: number
  readonly steps: number
}

/**
 * The factor for a step (from 0). `warmup` of a schedule is a number of epochs over which the factor rises linearly to 1, starting
 * above 0; what follows is spread over the rest.
 * @throws LayermillError `SCHEDULE_INVALID`.
 */
export function scheduleFactor(schedule: Schedule, step: number, { stepsPerEpoch, steps }: RunLength): number {
  const { warmup = 0 } = schedule
  if (!(warmup >= 0)) throw new LayermillError('SCHEDULE_INVALID', `a warm-up of ${warmup} epochs; expected 0 or more`)
  const warmupSteps = Math.round(warmup * stepsPerEpoch)
  if (step < warmupSteps) return (step + 1) / (warmupSteps + 1)
  switch (schedule.kind) {
    case 'constant':
      return 1
    case 'step': {
      const passed = schedule.epochs.filter(epoch => step >= Math.round(epoch * stepsPerEpoch)).length
      return (schedule.gamma ?? 0.1) ** passed
    }
    case 'cosine': {
      const { final = 0 } = schedule
      const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps))
      return final + (1 - final) * 0.5 * (1 + Math.cos(Math.PI * progress))
    }
  }
}
