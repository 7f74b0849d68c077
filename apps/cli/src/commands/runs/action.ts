import { type RunDetail, type RunKind, type RunState, runStates, type RunSummary, type TrainingState } from '@layermill/contracts'
import { absolutePlace, exitCodeOf, exitCodes, interruptible, LayermillError } from '@layermill/core'
import { ensureDone, followRun } from '../../client/follow.js'
import type { RunClient } from '../../client/run-client.js'
import { metricsLineOf, trainingProgressOf } from '../../client/training-state.js'
import { formatCount, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { epochLine, finetuneLine } from '../../output/finetune-progress.js'
import { draftLine, foundText, int8Line, leftOutLine, phaseLines, registeredLine, staleLine } from '../../run/run-lines.js'
import { withRunClient } from '../../run/submit.js'

/** Flags of all `runs` commands. */
export interface RunsOptions {
  queue?: string
  server?: string
  tokenFile?: string
  weightsStore?: string
  allowPrivateWeights?: boolean
  json?: boolean
}

export interface ListOptions extends RunsOptions {
  state?: string
  kind?: string
  limit?: string
}

const shown = ({ counts }: RunSummary): string =>
  `${formatCount(counts.done)}/${formatCount(counts.images)}${counts.failed > 0 ? `, ${formatCount(counts.failed)} failed` : ''}`

function oneOf<Value extends string>(flag: string, value: string | undefined, values: readonly Value[]): Value | undefined {
  if (value === undefined) return undefined
  const found = values.find(known => known === value)
  if (found === undefined)
    throw new LayermillError('SPEC_INVALID', `${flag}: got ${JSON.stringify(value)}, expected one of ${values.join(', ')}`)
  return found
}

/** `layermill runs list`: the runs that the queue knows, newest first. */
export async function listRuns(output: Output, options: ListOptions): Promise<void> {
  const state = oneOf<RunState>('--state', options.state, runStates)
  const kind = oneOf<RunKind>('--kind', options.kind, ['extract', 'predict', 'finetune'])
  const limit = Number(options.limit ?? 50)
  if (!Number.isInteger(limit) || limit < 1)
    throw new LayermillError('SPEC_INVALID', `--limit: got ${options.limit}, expected a whole number from 1`)
  await withRunClient(output, options, async client => {
    const runs: RunSummary[] = []
    let cursor: string | undefined
    do {
      const page = await client.list({ state, kind, cursor, limit: Math.min(200, limit - runs.length) })
      runs.push(...page.runs)
      cursor = page.next
    } while (cursor !== undefined && runs.length < limit)
    if (options.json) {
      for (const run of runs) output.json(run)
      return
    }
    const rows = runs.map(run => [run.id, run.state, run.model, shown(run), run.created.slice(0, 16).replace('T', ' '), run.out ?? ''])
    output.line(runs.length === 0 ? 'no runs' : formatTable(['run', 'state', 'model', 'images', 'created', 'out'], rows))
  })
}

function nowLine(state: TrainingState): string | undefined {
  const progress = trainingProgressOf(state)
  return progress && finetuneLine(progress, { imagesPerSecond: 0, isSteady: false })
}

function describe(run: RunDetail): string {
  const lines: [string, string | undefined][] = [
    ['run', run.id],
    ['kind', run.kind],
    ['state', run.state],
    ['source', run.source],
    ['out', run.out],
    ['model', run.model],
    ['weights', run.identity?.weights],
    ['layers', run.layers?.map(({ name, shape }) => `${name} ${shape.join('x')}`).join(', ')],
    ['images', shown(run)],
    ['update', run.found && foundText(run.found)],
    ['left out', leftOutLine(run.leftOut)?.replace('left out: ', '')],
    ['epochs', run.epochs?.map(epoch => epochLine(metricsLineOf(epoch))).join(`\n${' '.repeat(10)}`)],
    ['now', run.training && nowLine(run.training)],
    ['parts', formatCount(run.counts.parts)],
    ['created', run.created],
    ['finished', run.finished],
    ['waiting', run.waiting && `${run.waiting.reason} (since ${run.waiting.since})`],
    ['precision', run.precisionChoice && `${run.precisionChoice.chosen}: ${run.precisionChoice.reason}`],
    ['int8', run.calibration && int8Line(run.calibration)],
    ['draft', run.draft && draftLine(run.draft)],
    ['version', run.registered && registeredLine(run.registered)],
    ['stale', run.stale && staleLine(run.stale)],
    ['time', run.phases && phaseLines(run.phases).join(`\n${' '.repeat(10)}`)],
    ['failed', run.failures?.map(({ key, code, reason }) => `${key}: ${reason}  [${code}]`).join(`\n${' '.repeat(10)}`)],
    ['error', run.error && `${run.error.message}  [${run.error.code}]`],
  ]
  return lines
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name.padEnd(9)} ${value}`)
    .join('\n')
}

/** `layermill runs show RUN`: a run with its spec, layers and counts. */
export async function showRun(output: Output, id: string, options: RunsOptions): Promise<void> {
  await withRunClient(output, options, async client => {
    const run = await client.get(id)
    if (options.json) output.json(run)
    else output.line(describe(run))
  })
}

async function watch(client: RunClient, output: Output, id: string, json: boolean): Promise<number> {
  const run = await interruptible(async signal => {
    const ended = await followRun(client, id, { output, json, signal })
    // Interrupting the watch does not stop the run.
    if (ended === undefined) output.note(`the run ${id} goes on: layermill runs watch ${id} ${client.flag}`)
    return ended
  })
  if (run === undefined) return exitCodes.done
  ensureDone(run, client)
  if (json) output.json({ event: 'done', id, out: run.out, counts: run.counts })
  else output.line(`${shown(run)} images: ${run.out ?? ''}`)
  return exitCodeOf(run)
}

/** `layermill runs watch RUN`: live progress from anywhere; Ctrl-C ends the watching only. */
export async function watchRun(output: Output, id: string, options: RunsOptions): Promise<number> {
  return withRunClient(output, options, client => watch(client, output, id, options.json === true))
}

/** `layermill runs cancel RUN`: ends it; what is committed stays. */
export async function cancelRun(output: Output, id: string, options: RunsOptions): Promise<void> {
  await withRunClient(output, options, async client => {
    const run = await client.cancel(id)
    if (options.json) output.json(run)
    else if (run.state === 'cancelled') output.line(`${id} is cancelled; to go on: layermill runs resume ${id} ${client.flag}`)
    else output.line(`${id} is being cancelled`)
  })
}

/** `layermill runs pause RUN`: lets go of it until it is resumed; parts under way are finished. */
export async function pauseRun(output: Output, id: string, options: RunsOptions): Promise<void> {
  await withRunClient(output, options, async client => {
    const run = await client.pause(id)
    if (options.json) output.json(run)
    else output.line(`${id} is paused; to go on: layermill runs resume ${id} ${client.flag}`)
  })
}

/** A run's id, as the queue has it; what is no id is where a run's results are. */
const isRunId = (text: string): boolean => /^[a-z]+-\d{8}-[0-9a-f]{8}$/.test(text)

/** `layermill runs resume RUN|OUT`: goes on with a run that ended early, or that a wiped queue has forgotten, and shows its progress. */
export async function resumeRun(output: Output, target: string, options: RunsOptions & { detach?: boolean }): Promise<number> {
  return withRunClient(output, options, async (client, orchestrate) => {
    const run = isRunId(target) ? await client.resume(target) : await client.resumeStore(absolutePlace(target, process.cwd()))
    if (options.detach !== true) {
      orchestrate()
      output.note(`run ${run.id}`)
      return watch(client, output, run.id, options.json === true)
    }
    if (options.json) output.json(run)
    else output.line(`${run.id} goes on: layermill runs watch ${run.id} ${client.flag}`)
    return exitCodes.done
  })
}
