import type { FinetuneSpec } from '@layermill/contracts'
import { formatShape, LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import { fileTensors } from '@layermill/engines'
import { fineTunedNetwork, type FineTunedNetwork, findNode, isFineTuned, type Network, parameterShapes } from '@layermill/models'
import { initialHead } from '@layermill/training'

/** Whether hidden layers are those that a spec asks for; none asked for means whatever there is. */
function sameHidden(units: readonly number[], network: FineTunedNetwork): boolean {
  const own = (network.head.head ?? []).map(({ units: count }) => count)
  return units.length === 0 || (units.length === own.length && units.every((count, i) => count === own[i]))
}

/** A network as its head and what is below it; the head of an ONNX file that was fine-tuned here is named once more, on the file's layer. */
function withHead(base: Network): Network {
  const head = base.graph?.head
  return head === undefined ? base : fineTunedNetwork(base, { layer: head.layer, head: head.head, classes: head.classes })
}

/**
 * The fine-tuned network whose head a run goes on with; undefined where it makes a new one: on a network without a head of named classes,
 * and where the spec names a layer to cut at, other hidden layers, or auxiliary classifiers that are not there.
 */
export function continuedNetwork(spec: FinetuneSpec, base: Network): FineTunedNetwork | undefined {
  if (spec.layer !== undefined) return undefined
  const own = withHead(base)
  if (!isFineTuned(own) || own.classNames === undefined) return undefined
  if (spec.auxiliary && own.head.auxiliary !== true) return undefined
  // Numbers are standardised by the images of the run, so a head for other ones begins anew, and so does one of several targets.
  const target = spec.target ?? 'class'
  if (target === 'regression' || target === 'mixed' || target !== (own.head.target ?? 'class')) return undefined
  return sameHidden(spec.head, own) ? own : undefined
}

/** The classes of a head that is gone on with, in its order, and behind them those that it does not have yet. */
export function continuedClasses(base: FineTunedNetwork, classes: readonly string[]): string[] {
  const own = base.classNames ?? []
  return [...own, ...classes.filter(name => !own.includes(name))]
}

const headParameters = (network: FineTunedNetwork): string[] =>
  network.newNodes.flatMap(name => Object.values<string>(findNode(network, name).parameters ?? {}))

/** The network whose head a planned run goes on with; undefined where its head is new. */
export function goneOnWith(spec: FinetuneSpec, network: FineTunedNetwork, base: Network): FineTunedNetwork | undefined {
  if (base.graph !== undefined) return continuedNetwork(spec, base)
  return isFineTuned(base) && network.base.id !== base.id ? base : undefined
}

/** The numbers of a head in an ONNX file, by the names that its parameters have in a network on the file's layer. */
export async function fileHead(base: Network): Promise<Map<string, Tensor>> {
  const own = withHead(base)
  const names = base.graph?.head?.tensors ?? []
  if (!isFineTuned(own) || names.length === 0) return new Map()
  const tensors = await fileTensors(own, names)
  return new Map(headParameters(own).map((name, i) => [name, tensors.get(names[i]!)!]))
}

/**
 * Checks that a longer head takes over what the one before it has: all but the rows of new classes.
 * @throws LayermillError `HEAD_INVALID` naming the tensor
 */
export function checkContinued(network: FineTunedNetwork, base: FineTunedNetwork): void {
  const [shapes, before] = [parameterShapes(network), parameterShapes(base)]
  for (const name of headParameters(network)) {
    const [wanted, found] = [shapes.get(name)!, before.get(name)]
    checkShape(name, found, wanted)
  }
}

function checkShape(name: string, found: readonly number[] | undefined, wanted: readonly number[]): void {
  if (found?.slice(1).join() === wanted.slice(1).join()) return
  throw new LayermillError(
    'HEAD_INVALID',
    `${name} of the model's head is ${found === undefined ? 'missing' : formatShape(found)}, expected ${formatShape(wanted)}`,
    { hint: 'leave out --size, or name the --layer that a new head goes on' },
  )
}

/** Rows of classes that a tensor [classes, ...] has already, into those of the same classes in a longer one. */
function takeRows(target: Tensor, source: Tensor, rows: readonly (readonly [from: number, to: number])[]): void {
  const length = target.data.length / target.shape[0]!
  for (const [from, to] of rows) target.data.set(source.data.subarray(from * length, (from + 1) * length), to * length)
}

/**
 * First values of a run's head: a model's own where the run goes on with it, its classes' rows by name; else, and for the rows of new
 * classes, random numbers of the seed.
 * @param tensors all parameters of `base`
 */
export function startingHead(spec: FinetuneSpec, network: FineTunedNetwork, base: Network, tensors: TensorMap): Map<string, Tensor> {
  const head = initialHead(network, spec.seed)
  const own = goneOnWith(spec, network, base)
  if (own === undefined) return head
  const classes = network.classNames ?? []
  const rows = (own.classNames ?? []).map((name, from) => [from, classes.indexOf(name)] as const).filter(([, to]) => to >= 0)
  const scored = new Set(network.classifiers.flatMap(name => Object.values<string>(findNode(network, name).parameters ?? {})))
  for (const [name, tensor] of head) {
    const before = tensors.get(name)
    if (before === undefined) continue
    checkShape(name, before.shape, tensor.shape)
    if (scored.has(name)) takeRows(tensor, before, rows)
    else tensor.data.set(before.data)
  }
  return head
}

const list = (names: readonly string[]): string => `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''}`

/** Notes on the fate of the head of a fine-tuned model that a run starts from, in sentences; nothing where it has none. */
export function headNotes(spec: FinetuneSpec, base: Network, found: readonly string[]): string[] {
  if (!isFineTuned(withHead(base))) return []
  const continued = continuedNetwork(spec, base)
  if (continued === undefined) return [`a new head: that of ${spec.model} is left behind`]
  const own = continued.classNames ?? []
  const added = found.filter(name => !own.includes(name))
  const absent = own.filter(name => !found.includes(name))
  return [
    `going on with the head of ${spec.model}${added.length === 0 ? '' : `, with new classes: ${list(added)}`}`,
    ...(absent.length === 0
      ? []
      : [
          `no image here is of ${list(absent)}: ${absent.length > 1 ? 'they stay classes' : 'it stays a class'} of the model (--layer makes a new head)`,
        ]),
  ]
}
