import { hasEnded, type RunRecord, successPath } from '@layermill/contracts'
import { firstError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { RunAction } from './decide.js'
import { RunFile } from './run-file.js'

export interface OpenedRun {
  readonly record: RunRecord
  readonly action: RunAction
}

/** One pass over a run's images. A run has one, and another for each change that was asked for before it was done. */
export interface RunPass<Plan> extends AsyncDisposable {
  /** Finds out what is to be computed. */
  plan(): Promise<Plan>
  /** Has it computed and follows it until all of it is in the store. */
  supervise(plan: Plan): Promise<void>
}

/** The steps of one run, in the order in which `execute` takes them: what kinds of runs do differently. */
export interface RunSteps<Plan = unknown> {
  /** Finds the run at its destination, or makes it there, and writes its record. */
  open(): Promise<OpenedRun>
  /** Connects a pass with what computes it. A fault here leaves the run as it is. */
  begin(run: RunFile): Promise<RunPass<Plan>>
  /** Writes what is made of the whole; gives the facts that the record of the finished run has. */
  finish(run: RunFile): Promise<Partial<RunRecord>>
  /** Deletes what only a run under way needs. */
  tidy?(): Promise<void>
  /** Makes others benefit from a finished run: the file of its predictions, the registry of its model. May be called again. */
  conclude?(record: RunRecord): Promise<void>
  /** Work that a run that fails keeps, as the hint names it. */
  readonly kept: string
}

/** Settings that change from run to run, whatever their kind. */
export interface RunArguments {
  readonly store: Store
  readonly signal: AbortSignal
  /** Id of a run that is made. Default: a new one. */
  readonly id?: string | undefined
  /** Guards other stores that the run writes to: an orchestrator that has lost the run must not. */
  readonly fence?: ((store: Store) => Store) | undefined
  /** Whether waiting parts stay on the queue when the run is left here: another orchestrator goes on with it. Default: they do not. */
  readonly keepsParts?: (() => boolean) | undefined
  /** The run, where it was opened before. */
  readonly opened?: OpenedRun | undefined
  /** Told once the run is there, before anything is planned. */
  readonly onOpened?: ((opened: OpenedRun) => Promise<void> | void) | undefined
}

/**
 * Carries a run out: opens it, plans what is not planned, has computed what is not done, and writes `_SUCCESS`. Safe to stop at any moment
 * and to call again.
 *
 * @param now the clock
 * @returns the record of the finished run, or of one that had ended before
 * @throws the signal's reason when interrupted (the run can be resumed); LayermillError when the run failed (its record says why)
 */
export async function execute<Plan>(
  steps: RunSteps<Plan>,
  { store, signal, opened, onOpened }: RunArguments,
  now: () => Date,
): Promise<RunRecord> {
  const found = opened ?? (await steps.open())
  await onOpened?.(found)
  const run = new RunFile(found.record, store)
  const started = now()
  /** Does what can fail the run. One that is interrupted stays as it is in the store: whoever comes next goes on from there. */
  const accountable = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work()
    } catch (error) {
      throw signal.aborted ? error : await run.fail(firstError(error), steps.kept)
    }
  }

  if (!hasEnded(run.record.state)) {
    do {
      await using pass = await steps.begin(run)
      await accountable(async () => pass.supervise(await pass.plan()))
    } while (await run.takeFollowUp())
    await run.finish(await accountable(() => steps.finish(run)), started, now())
    await store.put(successPath, '')
    await steps.tidy?.()
  } else if (run.record.state === 'done') {
    // Written last: a run that was stopped just before has all but this.
    await store.put(successPath, '', { ifAbsent: true })
  }
  if (run.record.state === 'done') await steps.conclude?.(run.record)
  return run.record
}
