/** State of early stopping: plain JSON, part of a checkpoint. */
export interface EarlyStoppingState {
  readonly best: number | undefined
  readonly bestEpoch: number
  readonly epochsWithoutImprovement: number
}

export const earlyStoppingStart: EarlyStoppingState = { best: undefined, bestEpoch: -1, epochsWithoutImprovement: 0 }

/**
 * Takes an epoch's validation loss. Better means lower by more than `minDelta` (default 0); NaN never is.
 */
export function observeEpoch(state: EarlyStoppingState, epoch: number, loss: number, minDelta = 0): EarlyStoppingState {
  const better = !Number.isNaN(loss) && (state.best === undefined || loss < state.best - minDelta)
  if (better) return { best: loss, bestEpoch: epoch, epochsWithoutImprovement: 0 }
  return { ...state, epochsWithoutImprovement: state.epochsWithoutImprovement + 1 }
}

/** Whether `patience` epochs in a row brought nothing better. */
export function shouldStop(state: EarlyStoppingState, patience: number): boolean {
  return state.epochsWithoutImprovement >= patience
}
