import { bytesField, concatenate, intField, type Message, message, messageField, stringField } from '@layermill/core'
import { needed } from '../depends.js'
import type { FilePlace } from '../external.js'
import type { ImageInput } from '../image-input.js'
import { asIs, floatProto, nodeProto, tensorProto, valueProto } from '../read/encode.js'
import { graphFields, modelFields } from '../read/fields.js'
import { type Graph, namesTaken } from '../read/normalise.js'
import type { Info } from '../shapes/info.js'
import { upgraded, upgradedOpset } from '../train/upgrade.js'
import { type Dim, float, float16, type ModelDef, type NodeDef, type TensorDef } from '../types.js'
import { intAttribute, type Repaired, repairBatch } from './batch.js'
import { keepZeros } from './padding.js'
import { keepSoftmax } from './softmax.js'

/** Handling of the first dimension: as the file has it, free, or free with what was baked into constants repaired. */
export type BatchKind = 'fixed' | 'symbolic' | 'repaired'

export interface CutOptions {
  /** Values that become outputs, in this order. */
  readonly values: readonly string[]
  readonly batch: BatchKind
  /** Height and width, where they are fixed by whoever runs it. */
  readonly size?: readonly [number, number]
  /** Inputs with a default that are to be fed all the same. */
  readonly fed?: ReadonlySet<string>
  /** Makes nodes of old operators those of set 13, which newer ones still have. */
  readonly upgraded?: boolean
  /** Puts others in the place of the nodes that are left, the last thing of all. Operators of ONNX Runtime's own may be among them. */
  readonly rewrite?: (nodes: readonly NodeDef[]) => Repaired
}

/** Parts of a model beside the cut graph, encoded by whoever adds them. */
export interface Additions {
  /** Behind the graph's own. */
  readonly nodes: readonly Message[]
  readonly initializers: readonly Message[]
  /** Beside the image. */
  readonly inputs: readonly Message[]
  /** Instead of the values that the graph is cut behind. */
  readonly outputs: readonly Message[]
  readonly metadata?: Readonly<Record<string, string>>
  /** Initializers with other numbers, in float32. */
  readonly replaced?: ReadonlyMap<string, Float32Array>
  /** Initializers that become inputs, in float32. */
  readonly opened?: ReadonlySet<string>
  /** Contents of initializers that are not in the graph's messages, to be in the model instead of beside it. */
  readonly contents?: ReadonlyMap<string, Uint8Array>
  /** Computes in float32 where the file computes in float16; `replaced` and `opened` then hold all tensors of float16. */
  readonly float32?: boolean
  /** Version of ONNX's own operators, which the nodes have to be the same in. Default: the file's. */
  readonly opset?: number
}

/** Bytes of a file on this machine, and where they go in the file of weights that belongs to a cut. */
export interface WeightPiece extends FilePlace {
  readonly at: number
}

/** A graph cut behind the values asked for. */
export interface Cut {
  /** The ModelProto. Large tensors are external, all in the file `weightFile`. */
  readonly model: Uint8Array
  /** Source of the large tensors. */
  readonly weights: readonly WeightPiece[]
  /** Bytes of the file of weights. */
  readonly weightBytes: number
  readonly weightFile: string
  /** Names of the inputs that it needs, in the file's order. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Nodes that are left. */
  readonly nodeCount: number
}

export interface CutSource {
  readonly model: ModelDef
  readonly graph: Graph
  readonly image: ImageInput
  /** Shapes and types of the values for one image, as far as they are known. */
  readonly values: ReadonlyMap<string, Info>
  /** The file of each location; '' is the ONNX file itself. */
  readonly files: ReadonlyMap<string, string>
}

const weightFile = 'weights.bin'
/** ONNX's advice for tensors that are mapped into memory. */
const alignment = 4096
const batchName = 'layermill_batch'
/** Rewrites use operators of this set; nodes of older ones are upgraded before. */
export const rewriteOpset = 10

/** Lays the large tensors out, one after the other. */
class Weights {
  readonly pieces: WeightPiece[] = []
  bytes = 0

  constructor(private readonly files: ReadonlyMap<string, string>) {}

  add({ place }: TensorDef): number {
    const at = Math.ceil(this.bytes / alignment) * alignment
    this.pieces.push({ path: this.files.get(place!.location)!, offset: place!.offset, length: place!.length, at })
    this.bytes = at + place!.length
    return at
  }
}

function inputShape(input: ImageInput, { batch, size }: CutOptions): Dim[] {
  const count: Dim = batch === 'fixed' ? input.batch : batchName
  const [height, width] = size ?? [input.height, input.width]
  return input.layout === 'nchw' ? [count, 3, height, width] : [count, height, width, 3]
}

/** A conversion to float16 as one to float32. */
function inFloat32(node: NodeDef): NodeDef {
  const to = node.op === 'Cast' ? node.attributes.get('to') : undefined
  return to?.numbers[0] === float16 ? { ...node, attributes: new Map([...node.attributes, ['to', intAttribute('to', float)]]) } : node
}

/** Nodes with names of their own: the runtime takes no two of one name. */
function uniquelyNamed(nodes: readonly NodeDef[]): NodeDef[] {
  const taken = new Set<string>()
  return nodes.map((node, i) => {
    const name = node.name !== '' && taken.has(node.name) ? `${node.name}/${i}` : node.name
    taken.add(name)
    return name === node.name ? node : { ...node, name }
  })
}

/** The set of ONNX's own operators that the nodes are of. */
export function opsetOf({ opsets }: ModelDef, { upgraded: newer, rewrite }: CutOptions): number {
  const own = opsets.get('') ?? 0
  return newer === true || (rewrite !== undefined && own < rewriteOpset) ? Math.max(upgradedOpset, own) : own
}

/** The nodes that the values need, with the batch taken out of constants where that is asked for. */
export function keptNodes({ graph, image, model, values, files }: CutSource, options: CutOptions): Repaired {
  const kept = needed(graph, options.values)
  const own = graph.nodes.filter((_, i) => kept.has(i))
  const changed =
    options.batch === 'repaired'
      ? repairBatch(graph, own, image.name, { values, opset: model.opsets.get('') ?? 0 })
      : { nodes: own, added: [] }
  const repaired = keepSoftmax(keepZeros(changed, graph, values), graph, values)
  const opset = model.opsets.get('') ?? 0
  const last = opsetOf(model, options) > opset ? upgraded(repaired, opset, values, files.get('') ?? '') : repaired
  if (options.rewrite === undefined) return last
  const { nodes, added } = options.rewrite(last.nodes)
  return { nodes, added: [...last.added, ...added] }
}

/** Cuts a graph behind values: nodes, weights and inputs that these do not need are left out. */
export function cutGraph(source: CutSource, options: CutOptions, additions?: Additions): Cut {
  const { graph, image, values, model } = source
  const { replaced, opened, contents, float32 = false } = additions ?? {}
  const { nodes, added } = keptNodes(source, options)
  const named = uniquelyNamed(float32 ? nodes.map(inFloat32) : nodes)
  const imageType = float32 && image.type === float16 ? float : image.type
  const taken = new Set([...named.flatMap(node => [...namesTaken(node)]), ...options.values])
  const fed = options.fed ?? new Set<string>()
  const inputs = [...graph.inputs, ...graph.defaulted.filter(({ name }) => fed.has(name))].filter(({ name }) => taken.has(name))
  const weights = new Weights(source.files)
  const initializers = [...graph.initializers]
    .filter(([name]) => taken.has(name) && !fed.has(name) && opened?.has(name) !== true)
    .map(([name, tensor]) => {
      const numbers = replaced?.get(name)
      if (numbers !== undefined) return floatProto(name, numbers, tensor.dims)
      const bytes = contents?.get(name)
      if (bytes !== undefined) return tensorProto(tensor, name, undefined, bytes)
      if (tensor.place === undefined) return tensorProto(tensor, name)
      return tensorProto(tensor, name, { location: weightFile, offset: weights.add(tensor), length: tensor.place.length })
    })
  const domains = new Set(['', ...named.map(({ domain }) => domain)])
  const body = message([
    ...named.map(node => messageField(graphFields.node, nodeProto(node))),
    ...(additions?.nodes ?? []).map(node => messageField(graphFields.node, node)),
    stringField(graphFields.name, 'layermill'),
    ...initializers.map(tensor => messageField(graphFields.initializer, tensor)),
    ...added.map(tensor => bytesField(graphFields.initializer, tensor.proto)),
    ...(additions?.initializers ?? []).map(tensor => messageField(graphFields.initializer, tensor)),
    ...inputs.map(input =>
      messageField(
        graphFields.input,
        input.name === image.name ? valueProto(image.name, imageType, inputShape(image, options)) : asIs(input.proto),
      ),
    ),
    ...[...(opened ?? [])].map(name => messageField(graphFields.input, valueProto(name, float, graph.initializers.get(name)!.dims))),
    ...(additions?.inputs ?? []).map(input => messageField(graphFields.input, input)),
    ...(additions?.outputs ?? options.values.map(name => outputProto(name, values.get(name)?.type ?? 0))).map(output =>
      messageField(graphFields.output, output),
    ),
  ])
  const proto = message([
    // Older files list every weight among the inputs, which is not repeated here.
    intField(modelFields.irVersion, Math.max(additions?.opset === undefined ? 4 : 8, model.irVersion)),
    stringField(modelFields.producer, 'layermill'),
    messageField(modelFields.graph, body),
    ...[...opsetsOf(model, domains)].map(([domain, version]) =>
      messageField(
        modelFields.opsets,
        message([stringField(1, domain), intField(2, domain === '' ? (additions?.opset ?? opsetOf(model, options)) : version)]),
      ),
    ),
    ...Object.entries(additions?.metadata ?? {}).map(([key, value]) =>
      messageField(modelFields.metadata, message([stringField(1, key), stringField(2, value)])),
    ),
  ])
  return {
    model: concatenate(proto),
    weights: weights.pieces,
    weightBytes: weights.bytes,
    weightFile: weightFile,
    inputs: inputs.map(({ name }) => name),
    outputs: options.values,
    nodeCount: named.length,
  }
}

const outputProto = (name: string, type: number) => (type === 0 ? message([stringField(1, name)]) : valueProto(name, type))

/** Domain of ONNX Runtime's own operators, which have one version. */
export const runtimeDomain = 'com.microsoft'

function opsetsOf(model: ModelDef, domains: ReadonlySet<string>): [string, number][] {
  const known = domains.has(runtimeDomain) ? new Map([[runtimeDomain, 1], ...model.opsets]) : model.opsets
  return [...known].filter(([domain]) => domains.has(domain))
}
