import type { ExtractSpec, PredictSpec, RunRecord } from '@layermill/jobs'
import { openRun, type RunAction, superviseRun } from '@layermill/orchestrator'
import type { Store } from '@layermill/storage'
import { compose } from '../compose.js'
import { exitCodes } from '../exit-codes.js'
import { interruptible } from '../interrupt.js'
import type { Output } from '../output/output.js'
import { Progress } from '../output/progress.js'
import { WeightsProgressNotes } from '../output/weights-progress.js'

export interface RunOptions extends Record<string, unknown> {
  queue?: string
  json?: boolean
}

const actionNotes: Partial<Record<RunAction, string>> = {
  resume: 'going on with an unfinished run',
  complete: 'already done: nothing to compute (--update looks for new and changed images)',
  update: 'looking for new, changed and deleted images',
  retry: 'trying the failed images again',
}

/** A run that ended, and where its files are. */
export interface FinishedRun {
  readonly record: RunRecord
  readonly store: Store
}

/**
 * Carries out a run whose files go to `storeUrl` and shows how far it is: in this process, or with the workers of a queue.
 * @throws Interrupted at Ctrl-C: the run goes on when it is started again; LayermillError when it failed.
 */
export async function carryOut(output: Output, spec: ExtractSpec | PredictSpec, storeUrl: string, options: RunOptions): Promise<FinishedRun> {
  const weights = new WeightsProgressNotes(process.stderr)
  const composition = await compose({
    queue: options.queue,
    engine: spec.engine,
    device: spec.device,
    note: text => output.note(text),
    onWeights: state => weights.update(state),
  })
  const progress = new Progress({ stream: process.stderr })
  try {
    return await interruptible(async signal => {
      const { environment } = composition
      const store = await environment.openStore(storeUrl)
      const { record, action } = await openRun(spec, store, environment)
      const note = actionNotes[action]
      if (note !== undefined) output.note(note)
      const onProgress = options.json
        ? (state: object) => output.json({ event: 'progress', ...state })
        : (state: Parameters<Progress['update']>[0]) => progress.update(state)
      return { record: await superviseRun(record, { environment, store, signal, onProgress }), store }
    })
  } finally {
    progress.finish()
    weights.finish()
    await composition.close()
  }
}

/** Exit code of a finished run. */
export function exitCodeOf(record: RunRecord): number {
  return record.counts.failed > 0 ? exitCodes.doneWithFailures : exitCodes.done
}
