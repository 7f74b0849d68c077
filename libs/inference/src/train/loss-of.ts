import type { TrainingPlan } from '@layermill/contracts'
import type { LossKind, OneLoss } from '@layermill/engines'
import type { MixedHead } from '@layermill/training'

/** The loss of one target. */
export function headLoss(target: MixedHead['target']): OneLoss {
  if (target.kind === 'class') return { kind: 'softmax' }
  if (target.kind === 'multi-label') return { kind: 'sigmoid', positiveWeights: target.positiveWeights }
  return target.loss === 'mse' ? { kind: 'squared' } : { kind: 'smooth-l1', beta: target.beta }
}

/** The loss of a run. */
export function lossOf(target: TrainingPlan['target']): LossKind {
  if (target === undefined) return { kind: 'softmax' }
  if (target.kind !== 'mixed') return headLoss(target)
  return { kind: 'slices', slices: target.heads.map(head => ({ outputs: head.classes.length, loss: headLoss(head.target) })) }
}
