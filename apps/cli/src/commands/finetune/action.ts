import { type FinetuneSpec, flagCount, type RunRecord, successPath } from '@layermill/contracts'
import { type MetricsLine, type TrainingProgress, trainingSteps } from '@layermill/orchestrator/train'
import { readFailures } from '@layermill/orchestrator/run'
import { networkIds } from '@layermill/models'
import { type ErrorRow, openStore, type Store } from '@layermill/storage'
import type { Needs } from '../../compose.js'
import { metricsLineOf } from '../../client/training-state.js'
import { exitCodes } from '@layermill/core'
import { specFromFlags } from '../../flags.js'
import { sayFailures } from '../../output/failures.js'
import { formatCount, formatPlural, formatSeconds } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { absolutePlaces } from '../../places.js'
import { resolveRegistered } from '../../registry/registry.js'
import { FinetuneProgress, sharesOf } from '../../output/finetune-progress.js'
import { WaitingNotes } from '../../output/waiting-notes.js'
import { planFinetune } from './plan.js'
import { type Search, searchSettings } from './search.js'
import { sayLeftOut, sayRegistered } from '../../run/run-lines.js'
import { runHere, type RunOptions } from '../../run/carry-out.js'
import { isRemote, submitAndFollow } from '../../run/submit.js'

export interface FinetuneOptions extends RunOptions {
  margin?: string
  heldOut?: string
  allowLeaks?: boolean
  /** Settings to try, and parts of the training images for it. */
  search?: string
  folds: string
  /** For comparing: computes from images where features could be stored. */
  generalPath?: boolean
}

const actionNotes = {
  create: undefined,
  replace: undefined,
  resume: 'going on with an unfinished run',
  complete: 'already done: nothing to train',
  extend: 'going on with a finished run for more epochs',
} as const

/** Parts that a run will need at once: none where it is done already. */
async function needsOf(spec: FinetuneSpec, store: Store): Promise<Needs> {
  // Faults of the place are reported by the run, in its turn.
  const done = await store.stat(successPath).catch(() => undefined)
  if (done !== undefined && !spec.overwrite) return {}
  return { engine: true }
}

/** How many images and classes a run has. */
function datasetLine({ training, validation, classes }: NonNullable<RunRecord['dataset']>): string {
  const held = validation === 0 ? 'none held out' : `${formatCount(validation)} held out`
  return `${formatPlural(training, 'image')} to train on, ${held}, ${formatPlural(classes, 'class', 'classes')}`
}

/** Carries the run out and shows how far it is. */
async function carryOutTraining(output: Output, spec: FinetuneSpec, store: Store, options: FinetuneOptions): Promise<RunRecord> {
  const progress = new FinetuneProgress({ stream: process.stderr })
  const waits = new WaitingNotes(output, options.json === true)
  /** Says it above the progress, which is drawn again below. */
  const above =
    <Value>(say: (value: Value) => void) =>
    (value: Value): void => {
      progress.clear()
      say(value)
    }
  return runHere(output, {
    spec,
    store,
    notes: actionNotes,
    progress,
    needs: () => needsOf(spec, store),
    steps: async ({ training }, run) =>
      trainingSteps(spec, {
        ...run,
        environment: training,
        generalPath: options.generalPath === true,
        onProgress: (state: TrainingProgress) => {
          if ('done' in state) waits.tell(state.waiting)
          if (options.json) output.json({ event: 'progress', ...state })
          else progress.update(state)
        },
        onWaiting: above(waiting => waits.tell(waiting)),
        onEpoch: line => (options.json ? output.json({ event: 'epoch', ...line }) : progress.epoch(line)),
        onNote: above(text => output.note(text)),
        onDataset: above(dataset => (options.json ? output.json({ event: 'dataset', ...dataset }) : output.note(datasetLine(dataset)))),
        onWarning: above(text => output.note(`warning: ${text}`)),
        onRegistered: above(entry => sayRegistered(output, { ...entry, name: spec.register?.name ?? '' }, options.json)),
      }),
  })
}

/** The epochs of a finished run. */
async function finishedLines(store: Store): Promise<MetricsLine[]> {
  const bytes = await store.get('metrics.jsonl')
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as MetricsLine)
}

function summary(record: Pick<RunRecord, 'counts' | 'seconds' | 'dataset'>, lines: readonly MetricsLine[]): string {
  const best = lines.findLast(line => line.best) ?? lines.at(-1)
  const seconds = record.seconds === undefined ? '' : `, ${formatSeconds(record.seconds)}`
  const failed = record.counts.failed > 0 ? `, ${formatPlural(record.counts.failed, 'image')} left out` : ''
  const dataset = record.dataset === undefined ? '' : `; ${datasetLine(record.dataset)}`
  if (best === undefined) return `done${seconds}${failed}${dataset}`
  const what = best.validation === undefined ? 'training' : 'held out'
  const figures: NonNullable<MetricsLine['validation']> = best.validation ?? best.training
  const { accuracy, meanAveragePrecision } = figures
  const shares =
    accuracy === undefined || meanAveragePrecision !== undefined ? sharesOf(figures).slice(1) : ` accuracy ${(accuracy * 100).toFixed(1)}%`
  return `${formatPlural(lines.length, 'epoch')}${seconds}${failed}; epoch ${best.epoch}: ${what}${shares}, loss ${figures.loss.toFixed(4)}${dataset}`
}

/** A run that ended, and its epochs. */
interface TrainedRun {
  readonly record: Pick<RunRecord, 'id' | 'counts' | 'seconds' | 'dataset' | 'leftOut'>
  readonly lines: readonly MetricsLine[]
  /** The first images that were left out. */
  readonly failures: readonly ErrorRow[]
}

async function trainHere(output: Output, spec: FinetuneSpec, options: FinetuneOptions): Promise<TrainedRun> {
  await using store = openStore(spec.out, text => output.note(text))
  const record = await carryOutTraining(output, spec, store, options)
  return { record, lines: await finishedLines(store), failures: record.counts.failed > 0 ? await readFailures(store) : [] }
}

async function trainOnFleet(output: Output, spec: FinetuneSpec, options: FinetuneOptions): Promise<TrainedRun> {
  const record = await submitAndFollow(output, spec, options)
  if (record.registered !== undefined) sayRegistered(output, record.registered, options.json)
  // The server's word: this machine may not reach the store.
  return { record, lines: (record.epochs ?? []).map(metricsLineOf), failures: record.failures ?? [] }
}

/** Whether the base has learned nothing and will not. */
const hasRandomBase = ({ weights, model, base }: FinetuneSpec): boolean =>
  /^random(:|$)/.test(weights) && networkIds.includes(model) && base === 'frozen'

/** Words on a base that has learned nothing: its numbers have no sane scale unless they are given one. */
function randomBaseNote({ standardize }: FinetuneSpec): string {
  const advice = standardize === true ? '' : '; with --standardize its numbers tell colours and textures apart'
  return `the weights are random: the base has learned nothing${advice}`
}

/** The spec with settings chosen by trials, each a run of its own. */
async function searched(output: Output, spec: FinetuneSpec, search: Search, options: FinetuneOptions): Promise<FinetuneSpec> {
  await using store = openStore(spec.out, text => output.note(text))
  // Runs of trials say nothing of their own: there are many.
  const quiet: Output = {
    line: () => undefined,
    json: () => undefined,
    note: text => (text.startsWith('warning') ? output.note(text) : undefined),
  }
  const train = async (trial: FinetuneSpec): Promise<readonly MetricsLine[]> =>
    (isRemote(options) ? await trainOnFleet(quiet, trial, options) : await trainHere(quiet, trial, options)).lines
  return await searchSettings(output, spec, search, { store, train, json: options.json === true })
}

/** `layermill finetune SOURCE`: a new head on a pretrained network, and the network with it where asked. */
export async function finetuneCommand(output: Output, source: string | undefined, options: FinetuneOptions): Promise<number> {
  const asked = await resolveRegistered(
    absolutePlaces((await specFromFlags('finetune', source, options)) as FinetuneSpec, process.cwd()),
    options,
  )
  if (hasRandomBase(asked)) output.note(randomBaseNote(asked))
  if (asked.plan) return planFinetune(output, asked, options)
  const folds = flagCount('--folds', options.folds, 3, 100)
  const spec = options.search === undefined ? asked : await searched(output, asked, { text: options.search, folds }, options)
  const { record, lines, failures } = isRemote(options) ? await trainOnFleet(output, spec, options) : await trainHere(output, spec, options)
  sayFailures(output, { failed: record.counts.failed, rows: failures, where: `all reasons are in ${spec.out}/errors/` }, options.json)
  if (options.json)
    output.json({
      event: 'done',
      id: record.id,
      out: spec.out,
      counts: record.counts,
      seconds: record.seconds,
      epochs: lines.length,
      dataset: record.dataset,
    })
  else output.line(`${summary(record, lines)}\n${spec.out}\nreport: ${spec.out.replace(/\/+$/, '')}/report.html`)
  sayLeftOut(output, record.leftOut)
  return record.counts.failed > 0 ? exitCodes.doneWithFailures : exitCodes.done
}
