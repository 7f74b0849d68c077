import { requireFloat16 } from '@layermill/engines'
import { type ExtractSpec, type PredictSpec, type RunRecord, SUCCESS_PATH } from '@layermill/contracts'
import { checkSpec } from '@layermill/orchestrator/check'
import { missingRoom, openRun, type RunAction, readFailures, type RunProgress, superviseRun } from '@layermill/orchestrator/run'
import { type ErrorRow, openStore, type Store } from '@layermill/storage'
import { compose, type ComposeOptions, type Composition } from '../compose.js'
import { interruptible } from '@layermill/core'
import { formatBytes } from '../output/format.js'
import type { Output } from '../output/output.js'
import { Progress } from '../output/progress.js'
import { WeightsProgressNotes } from '../output/weights-progress.js'

export interface RunOptions extends Record<string, unknown> {
  queue?: string
  server?: string
  tokenFile?: string
  weightsStore?: string
  registry?: string
  lockDuration?: string
  unfitDeadline?: string
  allowPrivateWeights?: boolean
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
  /** The first images that failed. */
  readonly failures: ErrorRow[]
}

/**
 * Carries out a run whose files go to `storeUrl` in this process and shows how far it is.
 * @param where `reasons` says where reasons of failed images can be seen, where `storeUrl` is deleted afterwards
 * @throws Interrupted at Ctrl-C: the run goes on when it is started again; LayermillError when it failed.
 */
export async function carryOut(
  output: Output,
  spec: ExtractSpec | PredictSpec,
  storeUrl: string,
  options: RunOptions,
  { reasons }: { reasons?: string } = {},
): Promise<FinishedRun> {
  const progress = new Progress({ stream: process.stderr })
  const store = openStore(storeUrl)
  // A finished run may have nothing to compute.
  const queue = async (): Promise<ComposeOptions['queue']> =>
    (await store.stat(SUCCESS_PATH)) === undefined ? 'at once' : 'when asked for'
  return withComposition(
    output,
    spec,
    async composition =>
      interruptible(async signal => {
        const { environment, provider } = composition
        const { record, action } = await openRun(spec, store, environment, signal)
        const note = actionNotes[action]
        if (note !== undefined) output.note(note)
        // They take their time to start, as planning does; a part that needs them is told where they cannot.
        if (action !== 'complete') void Promise.all([provider.openEngine(), composition.openQueue()]).catch(() => undefined)
        const warn = onceWhenPlanned(total => warnOfRoom(output, record, total, store))
        const onProgress = (state: RunProgress): void => {
          warn(state)
          if (options.json) output.json({ event: 'progress', ...state })
          else progress.update(state)
        }
        const done = await superviseRun(record, { environment, store, signal, onProgress, ...(reasons === undefined ? {} : { reasons }) })
        return { record: done, store, failures: done.counts.failed > 0 ? await readFailures(store) : [] }
      }).finally(() => progress.finish()),
    queue,
  )
}

/** Wires what a spec needs, runs the action with it, and ends it whatever happens. */
export async function withComposition<Result>(
  output: Output,
  spec: ExtractSpec | PredictSpec,
  action: (composition: Composition) => Promise<Result>,
  queue: () => Promise<ComposeOptions['queue']>,
): Promise<Result> {
  // Before queue and weights are waited for.
  await checkSpec(spec)
  const weights = new WeightsProgressNotes(process.stderr)
  const composition = await compose({
    engine: spec.engine,
    device: spec.precision === 'int8' ? 'cpu' : spec.device,
    note: text => output.note(text),
    onWeights: state => weights.update(state),
    queue: await queue(),
    soon: spec,
  })
  try {
    // Which device `auto` takes is known only now; nothing is written yet.
    if (spec.precision === 'fp16') requireFloat16(await composition.provider.openEngine())
    return await action(composition)
  } finally {
    weights.finish()
    await composition.close()
  }
}

/** Calls the action once, as soon as the whole dataset is known. */
function onceWhenPlanned(action: (total: number) => Promise<void>): (state: RunProgress) => void {
  let called = false
  return ({ planned, total }) => {
    if (!planned || called) return
    called = true
    void action(total)
  }
}

async function warnOfRoom(output: Output, record: RunRecord, images: number, store: Store): Promise<void> {
  const missing = await missingRoom(record, images, store).catch(() => undefined)
  if (missing === undefined) return
  output.note(
    `warning: the results take ${formatBytes(missing.needed)} and ${formatBytes(missing.free)} are free; --pool avg, --dtype float16 or fewer layers take less`,
  )
}
