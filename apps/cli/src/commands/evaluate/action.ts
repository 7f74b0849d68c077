import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { classLabels, namesOnnxFile } from '@layermill/inference'
import { type PredictSpec, runStoreUrl } from '@layermill/contracts'
import { absolutePlace, exitCodes, LayermillError } from '@layermill/core'
import { getNetwork, type ModelTarget, modelTarget, networkIds } from '@layermill/models'
import { modelFile } from '@layermill/weights'
import {
  checkLabels,
  evaluationHtml,
  type HeadEvaluation,
  type KeyedAnswer,
  listLabelled,
  type ModelEvaluation,
  readTargets,
  scoreMixed,
  scorePredictions,
  scoreTargets,
  type TargetEvaluation,
} from '@layermill/orchestrator/train'
import { type ErrorRow, type ImageSource, openSource, openStore, type Store } from '@layermill/storage'
import { specFromFlags } from '../../flags.js'
import { openLabelled } from '@layermill/orchestrator/local'
import { sayFailures } from '../../output/failures.js'
import type { Output } from '../../output/output.js'
import { readPredictions, thumbnailsOf } from '@layermill/orchestrator/results'
import { absolutePlaces } from '../../places.js'
import { resolveRegistered } from '../../registry/registry.js'
import type { RunOptions } from '../../run/carry-out.js'
import { isRemote, submitAndFollow } from '../../run/submit.js'
import { mixedHtml, printMixed } from './mixed.js'
import { printClasses } from './print-classes.js'
import { noSingleAccuracy, printTargets, targetAccuracy, targetsHtml, topOf } from './targets.js'

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

/** Weights that are of the thousand classes for certain. */
const isPublished = (weights: string): boolean => weights === 'imagenet' || weights.startsWith('random')

/** Facts of a network of a table, or of an ONNX file: the classes are what its weights, or what lies beside it, say. */
async function loadedFacts(output: Output, spec: PredictSpec): Promise<ModelFacts> {
  const { withComposition } = await import('../../run/carry-out.js')
  const needs = async () => ({ model: spec })
  const { labels, target } = await withComposition(output, spec, needs, ({ provider }) => provider.outline(spec.model, spec.weights))
  return { names: labels, autoOrient: false, target }
}

async function modelFacts(output: Output, spec: PredictSpec): Promise<ModelFacts> {
  const { model, weights } = spec
  if (networkIds.includes(model)) {
    if (!isPublished(weights)) return loadedFacts(output, spec)
    return { names: classLabels(getNetwork(model).classes), autoOrient: false, target: undefined }
  }
  if (namesOnnxFile(model)) return loadedFacts(output, spec)
  await using store = openStore(model)
  const bytes = await store.get(modelFile)
  if (bytes === undefined) return await loadedFacts(output, spec)
  const { classes, preparation, network, thresholds } = JSON.parse(new TextDecoder().decode(bytes)) as {
    classes: string[]
    preparation: { autoOrient: boolean }
    network: { head?: { target?: string; slices?: unknown } }
    thresholds?: unknown
  }
  const target = modelTarget({ ...network.head, thresholds }, classes.length)
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

/** Writes `evaluation.json` and `report.html` of a model with several labels an image, or numbers, or several targets. */
async function writeTargetReport(
  store: Store,
  spec: PredictSpec,
  { targets, heads = [] }: Omit<Evaluated, 'classes'>,
  failed: number,
): Promise<void> {
  const facts = { model: spec.model, weights: spec.weights, source: spec.source, failed }
  const title = `Evaluation of ${spec.model}`
  const html = targets === undefined ? mixedHtml(title, heads, facts) : targetsHtml(title, targets, facts)
  await store.put('report.html', html, { contentType: 'text/html; charset=utf-8' })
  await store.put('evaluation.json', `${JSON.stringify({ ...facts, ...(targets ?? { heads: headsJson(heads) }) }, undefined, 2)}\n`)
}

/** Figures by target. */
const headsJson = (heads: readonly HeadEvaluation[]): Record<string, unknown> =>
  Object.fromEntries(heads.map(({ name, figures }) => [name, figures]))

/** Evaluation of a model, by what it gives. */
interface Evaluated {
  readonly classes?: ModelEvaluation
  readonly targets?: TargetEvaluation
  readonly heads?: readonly HeadEvaluation[]
}

async function evaluate(
  output: Output,
  spec: PredictSpec,
  facts: ModelFacts,
  out: string | undefined,
  options: EvaluateOptions,
): Promise<Evaluated & { failed: number }> {
  const heads = facts.target?.kind === 'mixed' ? facts.target.heads : undefined
  const named = options.labelColumns?.split(',').map(name => name.trim())
  const labelColumns = named ?? heads?.map(({ name }) => name)
  const targets = heads?.map(({ name, target }) => ({ name, kind: target?.kind ?? ('class' as const) }))
  const source = await openLabelled(spec.source, openSource, { ...spec, labelColumns })
  const store = out === undefined ? undefined : openStore(out)
  const folder = spec.out === undefined ? await mkdtemp(join(tmpdir(), 'layermill-evaluate-')) : runStoreUrl(spec)
  try {
    const { target, names } = facts
    const listed = { rows: await listLabelled(source, spec.source), order: undefined }
    const { rows: images } = readTargets(listed, { target: target?.kind, targets, labelColumns })
    if (target === undefined) checkLabels(images, names, spec.model)
    const reasons = out === undefined ? 'with --out DEST all reasons are kept' : `all reasons are in ${folder}/errors/`
    const { predictions, failed, failures } =
      store !== undefined && isRemote(options)
        ? await predictThere(output, spec, store, options)
        : await predictHere(output, spec, { folder, out: store, reasons }, options)
    sayFailures(output, { failed, rows: failures, where: reasons }, options.json)
    if (target?.kind === 'mixed') {
      const scored = { heads: scoreMixed(images, predictions, { heads: target.heads, model: spec.model }) }
      if (store !== undefined) await writeTargetReport(store, spec, scored, failed)
      return { ...scored, failed }
    }
    if (target !== undefined) {
      const scored = scoreTargets(images, predictions, { names, target, model: spec.model })
      if (store !== undefined) await writeTargetReport(store, spec, { targets: scored }, failed)
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
  const found = await modelFacts(output, spec)
  const facts = { ...found, names: spec.labels ?? found.names }
  const asked = {
    ...spec,
    top: topOf(facts.target, facts.names.length, ranks),
    ...(options['autoOrient'] === undefined ? { autoOrient: spec.autoOrient || facts.autoOrient } : {}),
  }
  if (facts.target?.kind === 'mixed') noSingleAccuracy(least)
  const { classes, targets, heads, failed } = await evaluate(output, asked, facts, out, options)
  const accuracy = classes?.accuracy ?? (targets === undefined ? 0 : targetAccuracy(targets, least))
  const passed = least === undefined || accuracy >= least
  if (options.json) {
    const { mistakes: _mistakes, ...numbers } = classes ?? { ...targets, mistakes: [] }
    output.json({
      event: 'done',
      ...numbers,
      ...(heads === undefined ? {} : { heads: headsJson(heads) }),
      failed,
      ...(least === undefined ? {} : { minAccuracy: least, passed }),
      ...(out === undefined ? {} : { out }),
    })
  } else {
    if (heads !== undefined) printMixed(output, heads)
    else if (classes === undefined) printTargets(output, targets!)
    else printClasses(output, classes)
    if (out !== undefined) output.line(out)
  }
  if (!passed) throw new LayermillError('ACCURACY_TOO_LOW', `the accuracy is ${accuracy.toFixed(4)}, less than --min-accuracy ${least}`)
  return failed > 0 ? exitCodes.doneWithFailures : exitCodes.done
}
