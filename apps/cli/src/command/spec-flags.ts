import { ExtractSpec, FinetuneSpec, PredictSpec, type RunKind } from '@layermill/contracts'
import type { z } from 'zod'
import type { Completion, Flag, FlagGroup } from './command.js'

/** Fields of each kind of spec. */
export const specShapes: Record<RunKind, Record<string, z.ZodType>> = {
  extract: ExtractSpec.shape,
  predict: PredictSpec.shape,
  finetune: FinetuneSpec.in.shape,
}

type Field = keyof typeof ExtractSpec.shape | keyof typeof PredictSpec.shape | keyof (typeof FinetuneSpec)['in']['shape']

/** Fields that are not flags: the argument and the command's own name. */
export const notFlags = new Set<string>(['kind', 'source'])

/** Facts about a field's flag that its schema does not tell. */
interface FieldFlag {
  readonly group: FlagGroup
  readonly placeholder?: string
  readonly choices?: readonly string[]
  readonly several?: boolean
  readonly known?: readonly string[]
  readonly complete?: Completion
}

/** Every field of a spec that is a flag. A new field without a line does not compile. */
const fieldFlags: Record<Exclude<Field, 'kind' | 'source'>, FieldFlag> = {
  strict: { group: 'input' },
  split: { group: 'input', placeholder: 'name' },
  without: { group: 'input', placeholder: 'file', complete: 'file' },
  worst: { group: 'input', placeholder: 'number' },
  relabel: { group: 'input', placeholder: 'file', complete: 'file' },
  requestPayer: { group: 'input' },
  noSignRequest: { group: 'input' },
  maxBytes: { group: 'input', placeholder: 'bytes' },
  imageTimeout: { group: 'input', placeholder: 'time' },
  maxErrors: { group: 'input', placeholder: 'number|share' },
  skipUnlabelled: { group: 'input' },
  target: { group: 'training' },
  targets: { group: 'training', placeholder: 'column:kind,...' },
  labelColumns: { group: 'input', placeholder: 'a,b' },
  loss: { group: 'training', placeholder: 'name', known: ['mse', 'smooth-l1'] },
  validation: { group: 'input', placeholder: 'share|source', complete: 'file' },
  autoOrient: { group: 'input' },
  decode: { group: 'input', placeholder: 'name' },
  resample: { group: 'input', placeholder: 'name' },
  size: { group: 'input', placeholder: 'WxH', known: ['keep'] },
  prepare: {
    group: 'input',
    placeholder: 'name',
    known: ['chainer', 'keras', 'torchvision', 'torchvision-v2', 'torchvision-plain', 'transformers'],
  },
  oversample: { group: 'input' },
  model: { group: 'network', placeholder: 'name', complete: 'model' },
  weights: { group: 'network', placeholder: 'source', known: ['imagenet', 'random'], complete: 'weights' },
  layers: { group: 'network', placeholder: 'a,b', complete: 'layers' },
  layer: { group: 'network', placeholder: 'name', complete: 'layer' },
  labels: { group: 'output', placeholder: 'file', complete: 'file' },
  register: { group: 'network', placeholder: 'name', complete: 'registered' },
  head: { group: 'training', placeholder: 'sizes' },
  dropout: { group: 'training', placeholder: 'share' },
  base: { group: 'training', placeholder: 'scales', known: ['frozen', 'full'] },
  batchNorm: { group: 'training', placeholder: 'name' },
  standardize: { group: 'training' },
  auxiliary: { group: 'training' },
  fold: { group: 'training', placeholder: 'k/n' },
  sampling: { group: 'training', placeholder: 'name' },
  classWeights: { group: 'training', placeholder: 'name', known: ['none', 'balanced'] },
  labelSmoothing: { group: 'training', placeholder: 'share' },
  augment: { group: 'training', placeholder: 'a,b', choices: ['flip', 'crop', 'color'], several: true },
  augmentCopies: { group: 'training', placeholder: 'number' },
  optimizer: { group: 'training', placeholder: 'name' },
  learningRate: { group: 'training', placeholder: 'number' },
  momentum: { group: 'training', placeholder: 'number' },
  beta1: { group: 'training', placeholder: 'number' },
  beta2: { group: 'training', placeholder: 'number' },
  epsilon: { group: 'training', placeholder: 'number' },
  weightDecay: { group: 'training', placeholder: 'number' },
  gradientClip: { group: 'training', placeholder: 'norm' },
  schedule: { group: 'training', placeholder: 'rule', known: ['constant', 'cosine', 'step:2:0.1'] },
  warmupEpochs: { group: 'training', placeholder: 'number' },
  epochs: { group: 'training', placeholder: 'number' },
  microBatch: { group: 'training', placeholder: 'images' },
  earlyStopping: { group: 'training', placeholder: 'epochs' },
  seed: { group: 'training', placeholder: 'number' },
  out: { group: 'output', placeholder: 'dest', complete: 'folder' },
  overwrite: { group: 'output' },
  pool: { group: 'output', placeholder: 'name' },
  reduce: { group: 'output', placeholder: 'rule', known: ['pca:256', 'srp:256', 'random:256', 'avg', 'max'] },
  center: { group: 'output' },
  whiten: { group: 'output' },
  l2: { group: 'output' },
  reduceSample: { group: 'output', placeholder: 'images' },
  reduction: { group: 'output', placeholder: 'dest', complete: 'folder' },
  tokens: { group: 'output', placeholder: 'parts' },
  dtype: { group: 'output', placeholder: 'name' },
  onOverflow: { group: 'output', placeholder: 'name' },
  format: { group: 'output', placeholder: 'name' },
  top: { group: 'output', placeholder: 'number' },
  export: { group: 'output', placeholder: 'name' },
  report: { group: 'output' },
  plan: { group: 'running' },
  update: { group: 'running' },
  retryFailed: { group: 'running' },
  selfCheck: { group: 'running' },
  device: { group: 'running', placeholder: 'name' },
  engine: { group: 'running', placeholder: 'name' },
  precision: { group: 'running', placeholder: 'name' },
  partSize: { group: 'running', placeholder: 'images', known: ['auto'] },
  batchSize: { group: 'running', placeholder: 'images', known: ['auto'] },
  cache: { group: 'running', placeholder: 'dest', complete: 'folder' },
  cacheSize: { group: 'running', placeholder: 'bytes' },
  exchange: { group: 'running', placeholder: 'name' },
  checkpointSteps: { group: 'running', placeholder: 'updates' },
  keepCheckpoints: { group: 'running', placeholder: 'number' },
  requireCpu: { group: 'fleet', placeholder: 'kind', known: ['same', 'x64-avx512', 'x64-fma', 'x64-sse', 'arm64-neon'] },
  notify: { group: 'fleet', placeholder: 'urls' },
  priority: { group: 'fleet', placeholder: 'name' },
}

/** Parts of a zod schema's definition that flags are read from. */
type Definition = z.ZodType & {
  def: { type: string; innerType?: z.ZodType; element?: z.ZodType; defaultValue?: unknown }
  options?: readonly string[]
}

const inner = (schema: z.ZodType): z.ZodType | undefined => (schema as Definition).def.innerType

/** Whether a field is true or false. */
export function isSwitch(schema: z.ZodType): boolean {
  const below = inner(schema)
  return (schema as Definition).def.type === 'boolean' || (below !== undefined && isSwitch(below))
}

/** All values of a field, where they are a closed set. */
function choicesOf(schema: z.ZodType): readonly string[] | undefined {
  const { def, options } = schema as Definition
  if (def.type === 'enum') return options
  const below = def.innerType ?? def.element
  return below === undefined ? undefined : choicesOf(below)
}

/** Default of a schema, as it would be written as a flag. */
function defaultOf(schema: z.ZodType): string | undefined {
  const { def } = schema as Definition
  if (def.type !== 'default' && def.type !== 'prefault') return undefined
  const value = def.defaultValue
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(',')
  if (typeof value === 'object' && value !== null && 'kind' in value) return String(value.kind)
  return String(value)
}

/** A description and the default that its last sentence names. */
function splitText(description: string): { text: string; otherwise?: string } {
  const [, text = description, otherwise] = /^(.*?)\s*Default: (.*)\.$/s.exec(description) ?? []
  return otherwise === undefined ? { text } : { text, otherwise }
}

const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

/** Flag of a spec's field, as it is typed. */
export const flagName = (field: string): string => `--${kebab(field)}`

/** Whether a schema takes nothing. */
const isRequired = (schema: z.ZodType): boolean => !schema.safeParse(undefined).success

/** Meaning of leaving a field out. */
function unset(schema: z.ZodType, otherwise: string | undefined): Pick<Flag, 'otherwise' | 'needed'> {
  if (otherwise !== undefined) return { otherwise }
  if (isSwitch(schema)) return {}
  return isRequired(schema) ? { needed: 'here or in the file of -f' } : { otherwise: defaultOf(schema) ?? 'none' }
}

function flagOf(field: string, schema: z.ZodType): Flag {
  const { placeholder = 'value', ...facts } = fieldFlags[field as keyof typeof fieldFlags]
  const { text, otherwise } = splitText(schema.description ?? '')
  const choices = choicesOf(schema)
  return {
    flag: isSwitch(schema) ? flagName(field) : `${flagName(field)} <${placeholder}>`,
    text,
    ...unset(schema, otherwise),
    ...(choices === undefined ? {} : { choices }),
    ...facts,
  }
}

/** Flags for every field of the kind's spec but those left out: same name, same description, same default. */
export function specFlags(kind: RunKind, without: readonly string[] = []): Flag[] {
  const fields = Object.entries(specShapes[kind]).filter(([field]) => !notFlags.has(field) && !without.includes(field))
  const file: Flag = {
    flag: '-f, --file <spec>',
    group: 'input',
    text: 'YAML or JSON file with the same fields; flags override it',
    otherwise: 'none',
    complete: 'file',
  }
  return [file, ...fields.map(([field, schema]) => flagOf(field, schema))]
}

/** Some fields of the kind's spec as flags of another command. */
export function someSpecFlags(kind: RunKind, fields: readonly string[]): Flag[] {
  return fields.map(field => flagOf(field, specShapes[kind][field]!))
}
