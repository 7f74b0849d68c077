import * as z from 'zod'
import { LayermillError } from '@layermill/core'
import { networkIds, networksWithAuxiliary } from '@layermill/models'
import { formatZodError } from './spec-error.js'
import { finetuneModelFields, finetuneOptimizerFields } from './finetune-fields.js'
import { commonFields, extractFields, inferenceFields, kinds, predictFields } from './spec-fields.js'
import { withOurLayerNames } from './layer-names.js'
import { isFrozen, type SpecTarget } from './spec-text.js'

type Refused = (field: string, got: unknown, expected: string) => void

/** Reports a check between fields in the shape that `formatZodError` turns into a sentence. */
function checks<T>(check: (spec: T, refused: Refused) => void) {
  return (context: z.core.ParsePayload<T>): void => {
    check(context.value, (field, got, expected) => {
      context.issues.push({ code: 'custom', path: [field], input: got, message: expected, continue: true })
    })
  }
}

const checkAudit = (
  spec: { without?: string | undefined; worst?: number | undefined; relabel?: string | undefined },
  refused: Refused,
): void => {
  const { without, worst, relabel } = spec
  if (worst !== undefined && without === undefined && relabel === undefined) refused('worst', worst, 'without or relabel as well')
  if (without !== undefined && without === relabel) refused('relabel', relabel, 'another file than without, which leaves its images out')
}

const checkCache = (spec: { cache?: string; cacheSize?: number; source: string; out?: string }, refused: Refused): void => {
  if (spec.cache === undefined && spec.cacheSize !== undefined) refused('cacheSize', spec.cacheSize, 'a cache as well')
  if (spec.cache !== undefined && (spec.cache === spec.source || spec.cache === spec.out))
    refused('cache', spec.cache, 'another place than the source and out')
}

const checkInference = (
  spec: {
    precision: string
    engine: string
    decode?: string | undefined
    size?: unknown
    overwrite: boolean
    retryFailed: boolean
    cache?: string
    cacheSize?: number
    source: string
    out?: string
    without?: string | undefined
    worst?: number | undefined
  },
  refused: Refused,
): void => {
  checkCache(spec, refused)
  checkAudit(spec, refused)
  if (spec.precision !== 'fp32' && spec.precision !== 'auto' && spec.engine !== 'onnx')
    refused('precision', spec.precision, `fp32 with engine tfjs (${spec.precision} needs engine onnx)`)
  if (spec.decode === 'draft' && spec.size === 'keep') refused('decode', 'draft', 'exact with size keep, where no image is resized')
  if (spec.overwrite && spec.retryFailed) refused('retryFailed', true, 'only one of overwrite and retryFailed')
  if (spec.out === spec.source) refused('out', spec.out, 'another place than the source')
}

/** `layermill extract`: layers' activations of every image, as files. */
export const ExtractSpec = z
  .strictObject({
    kind: z.literal('extract'),
    ...commonFields,
    ...extractFields,
    ...inferenceFields,
  })
  .check(
    checks((spec, refused) => {
      checkInference(spec, refused)
      if (spec.update && spec.overwrite) refused('update', true, 'only one of update and overwrite')
      if (spec.update && spec.retryFailed) refused('update', true, 'only one of update and retryFailed')
    }),
  )

/** `layermill predict`: the likeliest classes of every image. */
export const PredictSpec = z
  .strictObject({
    kind: z.literal('predict'),
    ...commonFields,
    ...predictFields,
    ...inferenceFields,
  })
  .check(
    checks((spec, refused) => {
      checkInference(spec, refused)
      if (spec.oversample && spec.size !== undefined)
        refused('size', spec.size, "no size with oversample (crops have the network's own size)")
      if (spec.retryFailed && spec.out === undefined) refused('retryFailed', true, 'out with the earlier results')
      if (spec.report === true && spec.out === undefined) refused('report', true, 'out, the file that the report goes beside')
    }),
  )

/** Learning rate of an optimizer when none is given: that of Chainer's optimizers. */
export function defaultLearningRate(optimizer: 'adam' | 'adamw' | 'momentum'): number {
  return optimizer === 'momentum' ? 0.01 : 0.001
}

interface TargetFields {
  target?: string | undefined
  targets?: readonly SpecTarget[] | undefined
  loss?: string | undefined
  labelColumns?: readonly string[] | undefined
  labelSmoothing: number
  classWeights: unknown
  sampling?: string | undefined
  register?: unknown
  auxiliary: boolean
}

const isBalanced = ({ classWeights }: TargetFields): boolean => classWeights === 'balanced'

/** Checks of several targets. */
const checkTargets = (spec: TargetFields, refused: Refused): void => {
  const { target, targets = [], loss, labelColumns } = spec
  const names = targets.map(({ name }) => name)
  const shown = targets.map(({ name, kind }) => `${name}:${kind}`).join()
  const has = (...kinds: string[]): boolean => targets.some(({ kind }) => kinds.includes(kind))
  if (targets.length < 2) return refused('targets', shown, 'two columns or more with target mixed, as species:class,weight_kg:regression')
  if (target !== undefined && target !== 'mixed') refused('target', target, 'mixed with targets, or none')
  const twice = names.find((name, i) => names.findIndex(other => other.toLowerCase() === name.toLowerCase()) !== i)
  if (twice !== undefined) refused('targets', shown, `each column once: ${twice} is named twice`)
  if (labelColumns !== undefined && labelColumns.join() !== names.join())
    refused('labelColumns', labelColumns.join(), `none with targets, which name the columns (${names.join()})`)
  if (loss !== undefined && !has('regression')) refused('loss', loss, 'a target of kind regression as well: classes have their own')
  if (spec.labelSmoothing > 0 && !has('class')) refused('labelSmoothing', spec.labelSmoothing, '0 without a target of kind class')
  if (spec.sampling === 'balanced') refused('sampling', spec.sampling, 'each with several targets: an image has no one class')
  if (spec.classWeights !== 'none' && !isBalanced(spec)) refused('classWeights', spec.classWeights, 'none or balanced with several targets')
  if (isBalanced(spec) && !has('class', 'multi-label')) refused('classWeights', spec.classWeights, 'none where all targets are numbers')
  if (spec.auxiliary) refused('auxiliary', true, 'false with several targets')
}

const checkTarget = (spec: TargetFields, refused: Refused): void => {
  if (spec.targets !== undefined || spec.target === 'mixed') return checkTargets(spec, refused)
  const { target = 'class', loss, labelColumns = [] } = spec
  if (loss !== undefined && target !== 'regression') refused('loss', loss, 'target regression as well: classes have their own')
  if (labelColumns.length > 1 && target === 'class')
    refused('labelColumns', labelColumns.join(), 'one column, or target multi-label or regression')
  if (spec.labelSmoothing > 0 && target !== 'class') refused('labelSmoothing', spec.labelSmoothing, `0 with target ${target}`)
  if (spec.sampling === 'balanced') {
    if (target !== 'class') refused('sampling', spec.sampling, `each with target ${target}: an image has no one class`)
    if (spec.classWeights === 'balanced') refused('sampling', spec.sampling, 'each with balanced classWeights: both would count twice')
  }
  if (target !== 'regression') return
  if (spec.classWeights !== 'none') refused('classWeights', spec.classWeights, 'none with target regression')
  if (spec.auxiliary) refused('auxiliary', true, 'false with target regression')
  if (spec.register !== undefined)
    refused('register', spec.register, 'none with target regression: versions are compared by their accuracy')
}

/** `layermill finetune`: a new head on a pretrained network. `learningRate` and `microBatch` are filled in when left out. */
export const FinetuneSpec = z
  .strictObject({
    kind: z.literal('finetune'),
    ...commonFields,
    ...finetuneModelFields,
    ...finetuneOptimizerFields,
  })
  .check(
    checks((spec, refused) => {
      if (spec.auxiliary && networkIds.includes(spec.model) && !networksWithAuxiliary.includes(spec.model.replace(/\.tv$/, '')))
        refused('auxiliary', true, `false with ${spec.model} (only ${networksWithAuxiliary.join(', ')} has auxiliary classifiers)`)
      if (spec.auxiliary && isFrozen(spec.base))
        refused('auxiliary', true, 'false with a frozen base (auxiliary classifiers only teach the base)')
      if (spec.auxiliary && spec.layer !== undefined)
        refused('layer', spec.layer, 'no layer with auxiliary (the three classifiers are replaced where they are)')
      if (spec.auxiliary && spec.head.length > 0)
        refused('head', spec.head, 'no hidden layers with auxiliary (the three classifiers are replaced where they are)')
      checkTarget(spec, refused)
      if (spec.fold !== undefined && spec.register !== undefined)
        refused('fold', spec.fold, 'none with register: versions learn from all training images')
      checkAudit(spec, refused)
      if (spec.standardize === true && (!isFrozen(spec.base) || spec.batchNorm !== 'frozen'))
        refused('standardize', true, 'base and batchNorm frozen as well: features that change have no statistics')
      if (spec.relabel !== undefined && (spec.targets !== undefined || (spec.target ?? 'class') !== 'class'))
        refused('relabel', spec.relabel, 'none with several labels, numbers or targets an image: an audit suggests one class')
      if (spec.size === 'keep') refused('size', spec.size, 'one size for all images (WIDTHxHEIGHT): they are trained in batches')
      if (spec.microBatch !== undefined && spec.microBatch > spec.batchSize)
        refused('microBatch', spec.microBatch, `at most batchSize (${spec.batchSize})`)
      if (spec.warmupEpochs > spec.epochs) refused('warmupEpochs', spec.warmupEpochs, `at most epochs (${spec.epochs})`)
      if (spec.earlyStopping !== undefined && spec.validation === 0)
        refused('earlyStopping', spec.earlyStopping, 'validation above 0: it is judged on held-out images')
      if (spec.register !== undefined && spec.register.heldOut === undefined && spec.validation === 0)
        refused('validation', 0, 'above 0, or register with heldOut: versions are compared on held-out images')
      if (spec.out === spec.source) refused('out', spec.out, 'another place than the source')
      if (spec.validation === spec.source) refused('validation', spec.validation, 'another place than the source')
      checkCache(spec, refused)
    }),
  )
  .transform(spec => ({
    ...spec,
    learningRate: spec.learningRate ?? defaultLearningRate(spec.optimizer),
    microBatch: spec.microBatch ?? Math.min(8, spec.batchSize),
    ...(spec.targets === undefined ? {} : { target: 'mixed' as const, labelColumns: spec.targets.map(({ name }) => name) }),
  }))

/** Any run, told apart by `kind`. */
export const RunSpec = z.discriminatedUnion('kind', [ExtractSpec, PredictSpec, FinetuneSpec], { error: `kind: one of ${kinds.join(', ')}` })

export type RunKind = (typeof kinds)[number]
export type ExtractSpec = z.output<typeof ExtractSpec>
export type PredictSpec = z.output<typeof PredictSpec>
export type FinetuneSpec = z.output<typeof FinetuneSpec>
export type RunSpec = z.output<typeof RunSpec>
/** Spec as it may be written: fields with a default may be left out, and flags' texts stand for their values. */
export type RunSpecInput = z.input<typeof RunSpec>

const schemas = { extract: ExtractSpec, predict: PredictSpec, finetune: FinetuneSpec }

function kindOf(input: unknown): RunKind {
  const kind = typeof input === 'object' && input !== null && 'kind' in input ? input.kind : undefined
  const found = kinds.find(name => name === kind)
  if (found !== undefined) return found
  const got = typeof kind === 'string' ? JSON.stringify(kind.slice(0, 80)) : kind === undefined ? 'nothing' : typeof kind
  throw new LayermillError('SPEC_INVALID', `kind: got ${got}, expected one of ${kinds.join(', ')}`)
}

/**
 * Checks a spec from anywhere (flags, a YAML or JSON file, the HTTP API) and fills in the defaults. Idempotent.
 * Throws `SPEC_INVALID` with one line per field: what was given and what was expected; never with credentials.
 */
export function parseSpec(input: unknown): RunSpec {
  const schema = schemas[kindOf(input)]
  const result = schema.safeParse(input)
  if (result.success) return withOurLayerNames(result.data)
  throw formatZodError(result.error, input, { fields: specFields(kindOf(input)) })
}

/** Names of a kind's fields, in the order of the documentation. */
export function specFields(kind: RunKind): string[] {
  const schema = kind === 'finetune' ? FinetuneSpec.in : schemas[kind]
  return Object.keys(schema.shape)
}

/** JSON Schema (draft 2020-12) of what may be written in a spec: of one kind, or of any. */
export function specJsonSchema(kind?: RunKind): Record<string, unknown> {
  return { ...z.toJSONSchema(kind === undefined ? RunSpec : schemas[kind], { io: 'input' }) }
}
