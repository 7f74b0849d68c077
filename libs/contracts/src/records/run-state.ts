/** States of a run. A run that is `planning` or `running` with nobody at it was interrupted and can be resumed. */
export const runStates = ['planning', 'running', 'done', 'failed', 'cancelled'] as const
export type RunState = (typeof runStates)[number]

/** States in which a run goes no further by itself. */
export type EndedState = Extract<RunState, 'done' | 'failed' | 'cancelled'>

/** Whether a run in this state has ended. */
export function hasEnded(state: RunState): state is EndedState {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}
