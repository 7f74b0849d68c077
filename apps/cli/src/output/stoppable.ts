import { interruptible } from '@layermill/core'
import type { Output } from './output.js'

/**
 * Runs an action that Ctrl-C stops, and says at once what that waits for.
 * @param waitsFor work that is finished first, as `the batches under way are finished`
 */
export async function stoppable<Result>(
  output: Output,
  waitsFor: string,
  action: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  // A line that is redrawn in place stays above.
  const start = process.stderr.isTTY ? '\n' : ''
  return interruptible(action, signal => output.note(`${start}${signal}: ${waitsFor}; a second Ctrl-C stops now`))
}
