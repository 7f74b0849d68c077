import { requireFloat16 } from '@layermill/engines'
import { type ExtractSpec, type PredictSpec, runPath, type RunRecord, type RunSpec, successPath } from '@layermill/contracts'
import { checkReachable, checkSpec } from '@layermill/orchestrator/check'
import { reportingSteps } from '@layermill/orchestrator/report'
import {
  execute,
  missingRoom,
  type OpenedRun,
  readFailures,
  requestedChange,
  type RunAction,
  type RunArguments,
  type RunProgress,
  type RunSteps,
} from '@layermill/orchestrator/run'
import { configureDecoding } from '@layermill/preprocess'
import { type ErrorRow, openSource, openStore, type Store } from '@layermill/storage'
import { compose, type Composition, type Needs } from '../compose.js'
import { formatBytes } from '../output/format.js'
import type { Output } from '../output/output.js'
import { stoppable } from '../output/stoppable.js'
import { Progress } from '../output/progress.js'
import { WaitingNotes } from '../output/waiting-notes.js'
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

/** Parts that a run will need at once: a finished one may have nothing to compute. */
async function needsOf(spec: ExtractSpec | PredictSpec, store: Store): Promise<Needs> {
  const idle = !spec.overwrite && requestedChange(spec) === undefined && (await store.stat(successPath)) !== undefined
  return { model: spec, engine: !idle }
}

/**
 * Carries out a run whose files go to `storeUrl` in this process and shows how far it is.
 * @param where `reasons` says where reasons of failed images can be seen, where `storeUrl` is deleted afterwards
 * @throws as `runHere` does
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
  let opened: RunRecord | undefined
  const record = await runHere(output, {
    spec,
    store,
    notes: actionNotes,
    onOpened: found => (opened = found),
    progress,
    needs: () => needsOf(spec, store),
    async steps({ environment, provider }, run) {
      // Which device `auto` takes is known only now; nothing is written yet.
      if (spec.precision === 'fp16') requireFloat16(await provider.openEngine())
      const warn = onceWhenPlanned(total => warnOfRoom(output, opened!, total, store))
      const waits = new WaitingNotes(output, options.json === true)
      const onProgress = (state: RunProgress): void => {
        warn(state)
        waits.tell(state.waiting)
        const { phases: _phases, ...told } = state
        if (options.json) output.json({ event: 'progress', ...told })
        else progress.update(state)
      }
      const given = { ...run, environment, reasons, onProgress }
      return reportingSteps(spec, given)
    },
  })
  return { record, store, failures: record.counts.failed > 0 ? await readFailures(store) : [] }
}

export interface HereRun {
  readonly spec: RunSpec
  readonly store: Store
  /** Notes on what becomes of a run that is there already. */
  readonly notes: Partial<Record<RunAction, string>>
  readonly onOpened?: (record: RunRecord) => void
  readonly progress: { finish(): void }
  readonly needs: () => Promise<Needs>
  /** Steps of the run's kind. */
  readonly steps: (composition: Composition, run: RunArguments) => Promise<RunSteps>
}

/** Work that Ctrl-C waits for, by kind of run. */
const waitsFor = {
  extract: 'the batches under way are finished',
  predict: 'the batches under way are finished',
  finetune: 'the step under way is finished, and what is learned so far is kept',
} as const

/** Refuses a run that has not begun and whose source is not there: its weights need not be waited for. */
async function checkPlaces(spec: RunSpec, store: Store): Promise<void> {
  // Faults of the destination are told by the run, in its turn.
  const begun = await store.stat(runPath).catch(() => undefined)
  if (begun === undefined) await checkReachable(spec, { openSource: (place, access) => openSource(place, { access }) })
}

/**
 * Carries out a run of any kind in this process.
 * @throws Interrupted at Ctrl-C: the run goes on when it is started again; LayermillError when it failed.
 */
export async function runHere(output: Output, { spec, store, notes, onOpened, progress, needs, steps }: HereRun): Promise<RunRecord> {
  // Before weights are waited for.
  await checkSpec(spec)
  await checkPlaces(spec, store)
  return withComposition(output, spec, needs, composition =>
    stoppable(output, waitsFor[spec.kind], async signal => {
      const told = ({ record, action }: OpenedRun): void => {
        const note = notes[action]
        if (note !== undefined) output.note(note)
        onOpened?.(record)
      }
      const run = { store, signal, onOpened: told }
      return execute(await steps(composition, run), run, () => composition.environment.now())
    }).finally(() => progress.finish()),
  )
}

/** Wires what a spec needs, runs the action with it, and ends it whatever happens. */
export async function withComposition<Result>(
  output: Output,
  spec: RunSpec,
  needs: () => Promise<Needs>,
  action: (composition: Composition) => Promise<Result>,
): Promise<Result> {
  configureDecoding()
  const soon = await needs()
  await using composition = compose({
    engine: spec.engine,
    device: spec.kind !== 'finetune' && spec.precision === 'int8' ? 'cpu' : spec.device,
    note: text => output.note(text),
    onWeights: state => weights.update(state),
    // Training reads the weights again and again.
    handOver: spec.kind !== 'finetune',
  })
  using weights = new WeightsProgressNotes(process.stderr)
  composition.warm(soon)
  return await action(composition)
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
