import { LayermillError } from '@layermill/models'
import type { RunSummary } from '@layermill/orchestrator'
import type { Output } from '../output/output.js'
import { Progress } from '../output/progress.js'
import type { RunClient } from './run-client.js'

/**
 * Shows a run's progress until it has ended.
 * @returns the run as it ended, or undefined where the signal came first
 * @throws what the client throws: LayermillError `RUN_UNKNOWN`, `UNAVAILABLE`
 */
export async function followRun(client: RunClient, id: string, options: { output: Output; json: boolean; signal: AbortSignal }): Promise<RunSummary | undefined> {
  const { output, json, signal } = options
  const progress = new Progress({ stream: process.stderr })
  let planned = false
  let last: RunSummary | undefined
  try {
    for await (const event of client.events(id, { signal })) {
      if (event.event === 'state') {
        last = event.data
        planned = last.state === 'running'
      } else if (event.event === 'progress') {
        const { images, done, failed, parts } = event.data.counts
        const state = { done: done + failed, failed, total: images, planned, parts, partsDone: event.data.partsDone }
        if (json) output.json({ event: 'progress', ...state })
        else progress.update(state)
      }
    }
    return last !== undefined && hasEnded(last) ? last : undefined
  } finally {
    progress.finish()
  }
}

function hasEnded({ state }: RunSummary): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}

/**
 * A run that ended well.
 * @throws LayermillError with the run's own code where it failed; `RUN_CANCELLED` where it was cancelled.
 */
export function ensureDone(run: RunSummary, client: RunClient): void {
  const hint = `what is done is kept; to go on: layermill runs resume ${run.id} ${client.flag}`
  if (run.state === 'cancelled') throw new LayermillError('RUN_CANCELLED', `the run ${run.id} was cancelled`, { hint })
  if (run.state === 'failed') throw new LayermillError(run.error?.code ?? 'UNEXPECTED', `the run ${run.id} failed: ${run.error?.message ?? 'no reason is known'}`, { hint })
}
