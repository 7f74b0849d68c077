import { elementCount, errorMessage, formatShape, LayermillError, type Tensor } from '@layermill/core'
import type { GraphVariant, NameRule, Network } from '@layermill/models'
import { factsBeside } from './beside.js'
import { classNamesOf } from './class-names.js'
import { IdentityHash } from './identity.js'
import { initialiseParameter } from './initialise.js'
import { fitsLayout, shapeInLayout, toCanonical } from './layouts.js'
import { metadataOrigin, metadataVariant, metadataKeys } from './metadata.js'
import { findEnd, type NetworkEnd, scoresOf, shapesWithEnd } from './end.js'
import type { NameScheme } from './names/scheme.js'
import { type FileView, viewFile } from './names/view.js'
import { relativeOf } from './relatives.js'
import { weightsPreparation } from './preparation.js'
import type { TensorEntry, TensorFile, WeightSet } from './types.js'

type Shapes = ReadonlyMap<string, readonly number[]>
type TargetNetwork = Pick<Network, 'id' | 'architecture' | 'family'> & Partial<Pick<Network, 'inputSize'>>

/** How many tensors an error names before it only counts. */
const named = 10

interface Plan {
  /** By parameter, in the network's order. */
  readonly rules: Map<string, NameRule>
  readonly absent: Map<string, 'zero' | 'auxiliary'>
  readonly missing: string[]
  readonly extra: string[]
  readonly misshapen: string[]
}

function nameSome(title: string, items: readonly string[]): string[] {
  if (items.length === 0) return []
  const rest = items.length > named ? ` and ${items.length - named} more` : ''
  return [`${items.length} ${title} (${items.slice(0, named).join(', ')}${rest})`]
}

function wantedShape(rule: NameRule, shape: readonly number[]): string {
  const layout = rule.layout ?? 'same'
  return formatShape(shapeInLayout(layout, shape))
}

function planTensor(plan: Plan, file: TensorFile, parameter: string, shape: readonly number[], rule: NameRule | undefined): void {
  if (rule === undefined) {
    plan.missing.push(`${parameter} ${formatShape(shape)}`)
    return
  }
  const entry = file.entries.get(rule.source)
  if (entry === undefined && rule.whenAbsent !== undefined) {
    plan.absent.set(parameter, rule.whenAbsent)
    return
  }
  plan.rules.set(parameter, rule)
  if (entry === undefined) plan.missing.push(`${rule.source} ${wantedShape(rule, shape)}`)
  else if (!fitsLayout(rule.layout ?? 'same', entry.shape, shape)) {
    plan.misshapen.push(`${rule.source} is ${formatShape(entry.shape)}, expected ${wantedShape(rule, shape)}`)
  }
  for (const [source, wanted] of [
    [rule.dividedBy, [1]],
    [rule.minus, shape],
  ] as const) {
    if (source === undefined) continue
    const other = file.entries.get(source)
    if (other === undefined) plan.missing.push(`${source} ${formatShape(wanted)}`)
    else if (elementCount(other.shape) !== elementCount(wanted)) {
      plan.misshapen.push(`${source} is ${formatShape(other.shape)}, expected ${formatShape(wanted)}`)
    }
  }
}

/** `file` has what lies beside the network too: its classifier may. */
function makePlan(file: TensorFile, view: FileView, end: NetworkEnd, network: TargetNetwork, shapes: Shapes): Plan {
  const { scheme } = view
  const plan: Plan = { rules: new Map(), absent: new Map(), missing: [], extra: [], misshapen: [] }
  const ruleOf = (parameter: string): NameRule | undefined => end.rules.get(parameter) ?? scheme.rule(network.architecture, parameter)
  for (const [parameter, shape] of shapes) planTensor(plan, file, parameter, shape, ruleOf(parameter))
  // Some of the tensors that may be missing together are there: then the others are missing.
  const auxiliary = [...plan.absent].filter(([, policy]) => policy === 'auxiliary').map(([parameter]) => parameter)
  const hasSome = [...plan.rules.values()].some(rule => rule.whenAbsent === 'auxiliary')
  if (hasSome)
    plan.missing.push(...auxiliary.map(parameter => `${ruleOf(parameter)?.source ?? parameter} ${formatShape(shapes.get(parameter)!)}`))
  const used = new Set([...end.unread, ...[...plan.rules.values()].flatMap(rule => [rule.source, rule.dividedBy, rule.minus])])
  for (const [name, entry] of view.file.entries) {
    if (!used.has(name) && !scheme.ignorable.some(pattern => pattern.test(name)))
      plan.extra.push(`${view.nameOf(name)} ${formatShape(entry.shape)}`)
  }
  return plan
}

function checkPlan(plan: Plan, file: TensorFile, scheme: NameScheme, network: TargetNetwork): void {
  const problems = [
    ...nameSome('missing', plan.missing),
    ...nameSome('unexpected', plan.extra),
    ...nameSome('of another shape', plan.misshapen),
  ]
  if (problems.length === 0) return
  const relative = relativeOf(file)
  throw new LayermillError('WEIGHTS_MISMATCH', `${file.name} (${scheme.title} names) does not fit ${network.id}: ${problems.join('; ')}`, {
    hint:
      relative === undefined
        ? 'check that --model is the network the file was made for; another number of classes or no classifier at all is fine, the layers before it must be there'
        : `it looks like ${relative}, which none of the networks here is`,
  })
}

/** Weights of one family in the other's network would fit, often, and give wrong numbers. */
function checkFamily(file: TensorFile, scheme: NameScheme, network: TargetNetwork): void {
  const made = file.metadata.get(metadataKeys.network)
  const family = made === undefined ? scheme.family : made.endsWith('.tv') ? 'torchvision' : 'caffe'
  if (family !== network.family) {
    const other = network.family === 'caffe' ? `${network.id}.tv` : network.id.replace(/\.tv$/, '')
    throw new LayermillError(
      'WEIGHTS_MISMATCH',
      `${file.name} has ${made === undefined ? `${scheme.title} names` : `weights of ${made}`}; ${network.id} is of the ${network.family} family, ` +
        'which prepares images in another way',
      { hint: `use --model ${other}` },
    )
  }
  if (!scheme.has(network.architecture)) {
    throw new LayermillError('WEIGHTS_MISMATCH', `${file.name} has ${scheme.title} names, in which no ${network.architecture} exists`)
  }
}

async function readEntry(file: TensorFile, name: string): Promise<Float32Array> {
  const entry: TensorEntry = file.entries.get(name)!
  try {
    return await entry.read()
  } catch (cause) {
    if (cause instanceof LayermillError) throw cause
    throw new LayermillError('WEIGHTS_FORMAT', `${name} in ${file.name} cannot be read: ${errorMessage(cause)}`, { cause })
  }
}

async function readTensor(file: TensorFile, rule: NameRule, shape: readonly number[]): Promise<Tensor> {
  const raw = await readEntry(file, rule.source)
  const data = toCanonical(rule.layout ?? 'same', raw, shape, rule.positions ?? 1)
  if (rule.dividedBy !== undefined) {
    const divisor = (await readEntry(file, rule.dividedBy))[0]!
    // Caffe multiplies by 1/divisor in float32, or by 0.
    const factor = Math.fround(1 / divisor)
    if (divisor === 0) data.fill(0)
    else if (factor !== 1) for (let i = 0; i < data.length; i++) data[i]! *= factor
  }
  if (rule.minus !== undefined) {
    const subtrahend = await readEntry(file, rule.minus)
    for (let i = 0; i < data.length; i++) data[i]! -= subtrahend[i]!
  }
  return { shape, data }
}

/** One parameter, wherever the plan says it comes from. */
async function makeTensor(file: TensorFile, plan: Plan, network: TargetNetwork, shapes: Shapes, parameter: string): Promise<Tensor> {
  const shape = shapes.get(parameter)!
  const rule = plan.rules.get(parameter)
  if (rule !== undefined) return readTensor(file, rule, shape)
  if (plan.absent.get(parameter) === 'auxiliary') return initialiseParameter(network, parameter, shapes, '0')
  return { shape, data: new Float32Array(elementCount(shape)) }
}

/** Place of every parameter of a network in a file, and the facts that the file gives: variant, origin, notes, names of the classes. */
export interface WeightsPlan {
  readonly file: TensorFile
  readonly plan: Plan
  readonly shapes: Shapes
  readonly facts: Required<Pick<WeightSet, 'variant' | 'origin' | 'notes'>> & Pick<WeightSet, 'labels'>
}

/**
 * Finds a network's parameters in an opened file by names and shapes; no data is read.
 * @param published The network's parameters with its 1000 classes (`parameterShapes(network)`); the file may have another end.
 * @throws LayermillError `WEIGHTS_MISMATCH` naming tensors and shapes; `WEIGHTS_FORMAT`.
 */
export async function planWeights(opened: TensorFile, network: TargetNetwork, published: Shapes): Promise<WeightsPlan> {
  const beside = await factsBeside(opened)
  const view = viewFile(beside === undefined ? opened : { ...opened, model: { ...opened.model, ...beside } }, network)
  const { scheme } = view
  checkFamily(opened, scheme, network)
  const recorded = metadataVariant(opened)
  const end =
    recorded === undefined ? findEnd(view, network, published) : { variant: {}, rules: new Map<string, NameRule>(), unread: [], notes: [] }
  const variant: GraphVariant = recorded ?? { ...scheme.variant(network.architecture), ...end.variant }
  const shapes = shapesWithEnd(network.architecture, published, variant)
  const file: TensorFile = { ...view.file, entries: new Map([...view.outside, ...view.file.entries]) }
  const plan = makePlan(file, view, end, network, shapes)
  checkPlan(plan, opened, scheme, network)
  const origin = metadataOrigin(opened) ?? view.origin
  const labels = await classNamesOf(opened, scoresOf(network.architecture, shapes))
  return { file, plan, shapes, facts: { variant, origin, notes: end.notes, ...(labels === undefined ? {} : { labels }) } }
}

/**
 * The network's parameters from an opened file: names mapped, layouts changed, nothing missing and nothing left over.
 * All names and shapes are checked before any data is read.
 * @param published The network's parameters with its 1000 classes (`parameterShapes(network)`); the file may have another end.
 * @throws LayermillError `WEIGHTS_MISMATCH` naming tensors and shapes; `WEIGHTS_FORMAT`, `WEIGHTS_TRUNCATED` while reading.
 */
export async function assembleWeights(opened: TensorFile, network: TargetNetwork, published: Shapes, source: string): Promise<WeightSet> {
  const { file, plan, shapes, facts } = await planWeights(opened, network, published)
  const { variant, origin, labels, notes } = facts
  const remarks = [...notes]
  const preparation = await weightsPreparation(opened, origin, network, text => remarks.push(text))
  const identity = new IdentityHash(variant)
  // In the order of the network; filled in the order of the names, in which they are hashed, each while the next is being read.
  const tensors = new Map<string, Tensor>([...shapes].map(([name, shape]) => [name, { shape, data: new Float32Array(0) }]))
  const names = [...shapes.keys()].toSorted()
  const read = (index: number): Promise<Tensor> | undefined => {
    const name = names[index]
    const reading = name === undefined ? undefined : makeTensor(file, plan, network, shapes, name)
    // It is awaited below; this only keeps an early failure from counting as unhandled.
    reading?.catch(() => undefined)
    return reading
  }
  let next = read(0)
  for (const [i, name] of names.entries()) {
    const tensor = (await next)!
    next = read(i + 1)
    tensors.set(name, tensor)
    await identity.add(name, tensor)
  }
  const missingAuxiliary = file.metadata.get(metadataKeys.missingAuxiliary) === 'true' || [...plan.absent.values()].includes('auxiliary')
  return {
    tensors,
    variant,
    source,
    format: file.format,
    origin,
    sha256: identity.digest(),
    preparation,
    ...(missingAuxiliary ? { missingAuxiliary } : {}),
    ...(labels === undefined ? {} : { labels }),
    ...(remarks.length > 0 ? { notes: remarks } : {}),
  }
}
