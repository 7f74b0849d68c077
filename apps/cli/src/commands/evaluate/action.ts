import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { classLabels } from '@layermill/inference'
import { type PredictSpec, runStoreUrl } from '@layermill/contracts'
import { absolutePlace, exitCodes, LayermillError } from '@layermill/core'
import { getNetwork, type ModelTarget, modelTarget, networkIds } from '@layermill/models'
import { modelFile } from '@layermill/weights'
import {
  checkLabels,
  evaluationHtml,
  type KeyedAnswer,
  listLabelled,
  type ModelEvaluation,
  readTargets,
  scorePredictions,
  scoreTargets,
  type TargetEvaluation,
} from '@layermill/orchestrator/train'
import { type ErrorRow, type ImageSource, openSource, openStore, type Store } from '@layermill/storage'
import { specFromFlags } from '../../flags.js'
import { openLabelled } from '@layermill/orchestrator/local'
import { sayFailures } from '../../output/failures.js'
import { formatCount, formatPlural, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { readPredictions, thumbnailsOf } from '@layermill/orchestrator/results'
import { absolutePlaces } from '../../places.js'
import { resolveRegistered } from '../../registry/registry.js'
import type { RunOptions } from '../../run/carry-out.js'
import { isRemote, submitAndFollow } from '../../run/submit.js'
import { printTargets, targetAccuracy, targetsHtml, topOf } from './targets.js'

export interface EvaluateOptions extends RunOptions {
  /** A folder or URL for the report. */
  out?: string
  minAccuracy?: string
  labelColumns?: string
}

/** Ranks within which an image's class is looked for. */
const ranks = 5
const predictionsFile = 'predictions.jsonl'

/** `0.9` or `90%` as a share. @throws LayermillError `SPEC_INVALID` */
function minAccuracy(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, value = '', percent = ''] = /^(\d*\.?\d+)\s*(%?)$/.exec(text.trim()) ?? []
  const share = value === '' ? NaN : Number(value) / (percent === '' ? 1 : 100)
  if (share >= 0 && share <= 1) return share
  throw new LayermillError('SPEC_INVALID', `--min-accuracy: got ${JSON.stringify(text)}, expected a share from 0 to 1, as 0.9, or 90%`)
}

/** Facts about a model: the names of its classes, in the order of its scores, and whether its images are turned. */
interface ModelFacts {
  readonly names: readonly string[]
  readonly autoOrient: boolean
  readonly target: ModelTarget | undefined
}

async function modelFacts(model: string): Promise<ModelFacts> {
  if (networkIds.includes(model)) return { names: classLabels(getNetwork(model).classes), autoOrient: false, target: undefined }
  await using store = openStore(model)
  const bytes = await store.get(modelFile)
  if (bytes === undefined) throw new LayermillError('MODEL_UNKNOWN', `there is no fine-tuned model at ${model}: it has no ${modelFile}`)
  const { classes, preparation, network, thresholds } = JSON.parse(new TextDecoder().decode(bytes)) as {
    classes: string[]
    preparation: { autoOrient: boolean }
    network: { head?: { target?: string; slices?: unknown } }
    thresholds?: unknown
  }
  const target = modelTarget({ ...network.head, thresholds }, classes.length)
  if (target?.kind === 'mixed')
    throw new LayermillError('HEAD_INVALID', `${model} has several targets, which are not evaluated at once`, {
      hint: 'predict gives the answers of each; metrics.jsonl and report.html of the run have the figures of its held-out images',
    })
  return { names: classes, autoOrient: preparation.autoOrient, target }
}

interface Predicted {
  readonly predictions: KeyedAnswer[]
  readonly failed: number
  readonly failures: readonly ErrorRow[]
}

async function gather(rows: AsyncIterable<KeyedAnswer>): Promise<KeyedAnswer[]> {
  const found: KeyedAnswer[] = []
  for await (const row of rows) found.push(row)
  return found
}

/** Predictions of a run that has ended, from its file. */
async function predictionsIn(store: Store): Promise<KeyedAnswer[]> {
  const bytes = await store.get(predictionsFile)
  if (bytes === undefined)
    throw new LayermillError('FILE_MISSING', `${store.url} has no ${predictionsFile}: it is not where the run wrote it`)
  const lines = new TextDecoder().decode(bytes).split('\n')
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as KeyedAnswer)
}

/** Predictions of a run in this process, in a folder of its own, which goes on where it was stopped. */
async function predictHere(
  output: Output,
  spec: PredictSpec,
  { folder, out, reasons }: { readonly folder: string; readonly out: Store | undefined; readonly reasons: string },
  options: RunOptions,
): Promise<Predicted> {
  const { carryOut } = await import('../../run/carry-out.js')
  const { record, store, failures } = await carryOut(output, spec, folder, options, { reasons })
  const predictions = out === undefined ? await gather(readPredictions(store)) : await predictionsIn(out)
  return { predictions, failed: record.counts.failed, failures }
}

/** Predictions of a run by a fleet, whose file this process reads. */
async function predictThere(output: Output, spec: PredictSpec, store: Store, options: RunOptions): Promise<Predicted> {
  const { counts, failures = [] } = await submitAndFollow(output, spec, options)
  return { predictions: await predictionsIn(store), failed: counts.failed, failures }
}

function print(output: Output, { images, accuracy, top5, macroF1, classes, confusion }: ModelEvaluation): void {
  const percent = (share: number): string => `${(share * 100).toFixed(1)}%`
  output.line(
    formatTable(
      ['class', '>images', '>precision', '>recall', '>F1'],
      classes.map(({ name, support, precision, recall, f1 }) => [name, formatCount(support), ...[precision, recall, f1].map(percent)]),
    ),
  )
  const pairs = confusion
    .flatMap((row, label) => row.map((count, predicted) => ({ count, label, predicted })))
    .filter(({ count, label, predicted }) => count > 0 && label !== predicted)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, 10)
  if (pairs.length > 0) output.line('')
  for (const { count, label, predicted } of pairs)
    output.line(`${classes[label]!.name} taken for ${classes[predicted]!.name}: ${formatCount(count)}`)
  output.line(
    `\naccuracy ${percent(accuracy)} (top ${ranks}: ${percent(top5)}), mean F1 ${percent(macroF1)}: ${formatPlural(images, 'image')}`,
  )
}

/** Writes `evaluation.json` and `report.html`. */
async function writeReport(
  store: Store,
  spec: PredictSpec,
  evaluation: ModelEvaluation,
  failed: number,
  source: ImageSource,
): Promise<void> {
  const facts = { model: spec.model, weights: spec.weights, source: spec.source }
  const thumbnails = await thumbnailsOf(
    evaluation.mistakes.map(({ key }) => key),
    source,
    spec,
  )
  await store.put('report.html', evaluationHtml({ title: `Evaluation of ${spec.model}`, evaluation, failed, thumbnails, facts }), {
    contentType: 'text/html; charset=utf-8',
  })
  await store.put('evaluation.json', `${JSON.stringify({ ...facts, failed, ...evaluation }, undefined, 2)}\n`)
}

/** Writes `evaluation.json` and `report.html` of a model with several labels an image, or numbers. */
async function writeTargetReport(store: Store, spec: PredictSpec, evaluation: TargetEvaluation, failed: number): Promise<void> {
  const facts = { model: spec.model, weights: spec.weights, source: spec.source, failed }
  await store.put('report.html', targetsHtml(`Evaluation of ${spec.model}`, evaluation, facts), {
    contentType: 'text/html; charset=utf-8',
  })
  await store.put('evaluation.json', `${JSON.stringify({ ...facts, ...evaluation }, undefined, 2)}\n`)
}

/** Evaluation of a model, by what it gives. */
interface Evaluated {
  readonly classes?: ModelEvaluation
  readonly targets?: TargetEvaluation
}

async function evaluate(
  output: Output,
  spec: PredictSpec,
  facts: ModelFacts,
  out: string | undefined,
  options: EvaluateOptions,
): Promise<Evaluated & { failed: number }> {
  const labelColumns = options.labelColumns?.split(',').map(name => name.trim())
  const source = await openLabelled(spec.source, openSource, { ...spec, labelColumns })
  const store = out === undefined ? undefined : openStore(out)
  const folder = spec.out === undefined ? await mkdtemp(join(tmpdir(), 'layermill-evaluate-')) : runStoreUrl(spec)
  try {
    const { target, names } = facts
    const listed = { rows: await listLabelled(source, spec.source), order: undefined }
    const { rows: images } = readTargets(listed, { target: target?.kind, labelColumns })
    if (target === undefined) checkLabels(images, names, spec.model)
    const reasons = out === undefined ? 'with --out DEST all reasons are kept' : `all reasons are in ${folder}/errors/`
    const { predictions, failed, failures } =
      store !== undefined && isRemote(options)
        ? await predictThere(output, spec, store, options)
        : await predictHere(output, spec, { folder, out: store, reasons }, options)
    sayFailures(output, { failed, rows: failures, where: reasons }, options.json)
    if (target !== undefined) {
      const scored = scoreTargets(images, predictions, { names, target, model: spec.model })
      if (store !== undefined) await writeTargetReport(store, spec, scored, failed)
      return { targets: scored, failed }
    }
    const evaluation = scorePredictions(images, predictions, names, spec.model)
    if (store !== undefined) await writeReport(store, spec, evaluation, failed, source)
    return { classes: evaluation, failed }
  } finally {
    if (spec.out === undefined) await rm(folder, { recursive: true, force: true })
    await store?.close()
    await source.close()
  }
}

/**
 * `layermill evaluate SOURCE --model M`: how well a model recognises labelled images. With `--min-accuracy` the command fails where it
 * recognises fewer.
 */
export async function evaluateCommand(output: Output, source: string | undefined, options: EvaluateOptions): Promise<number> {
  const least = minAccuracy(options.minAccuracy)
  const out = options.out === undefined ? undefined : absolutePlace(options.out, process.cwd())
  if (out === undefined && isRemote(options)) {
    throw new LayermillError(
      'SPEC_INVALID',
      'out: got nothing, expected a folder or URL that the fleet writes to and this machine can read (a shared disk or s3://)',
    )
  }
  const flags = { ...options, top: String(ranks), out: out === undefined ? undefined : `${out.replace(/\/$/, '')}/${predictionsFile}` }
  const parsed = absolutePlaces((await specFromFlags('predict', source, flags)) as PredictSpec, process.cwd())
  const spec = await resolveRegistered(parsed, { ...options, server: undefined })
  const facts = await modelFacts(spec.model)
  const asked = {
    ...spec,
    top: topOf(facts.target, facts.names.length, ranks),
    ...(options['autoOrient'] === undefined ? { autoOrient: spec.autoOrient || facts.autoOrient } : {}),
  }
  const { classes, targets, failed } = await evaluate(output, asked, facts, out, options)
  const accuracy = classes?.accuracy ?? targetAccuracy(targets!, least)
  const passed = least === undefined || accuracy >= least
  if (options.json) {
    const { mistakes: _mistakes, ...numbers } = classes ?? { ...targets, mistakes: [] }
    output.json({
      event: 'done',
      ...numbers,
      failed,
      ...(least === undefined ? {} : { minAccuracy: least, passed }),
      ...(out === undefined ? {} : { out }),
    })
  } else {
    if (classes === undefined) printTargets(output, targets!)
    else print(output, classes)
    if (out !== undefined) output.line(out)
  }
  if (!passed) throw new LayermillError('ACCURACY_TOO_LOW', `the accuracy is ${accuracy.toFixed(4)}, less than --min-accuracy ${least}`)
  return failed > 0 ? exitCodes.doneWithFailures : exitCodes.done
}
