import type { RunState } from '@layermill/contracts'

/** Whether a run in this state has ended. */
export function isTerminal(state: RunState): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}
