import { bytesField, concatenate, intField, message, messageField, stringField } from '@layermill/core'
import { needed } from '../depends.js'
import type { FilePlace } from '../external.js'
import type { ImageInput } from '../image-input.js'
import { asIs, nodeProto, tensorProto, valueProto } from '../read/encode.js'
import { graphFields, modelFields } from '../read/fields.js'
import { type Graph, namesTaken } from '../read/normalise.js'
import type { Info } from '../shapes/info.js'
import type { Dim, ModelDef, NodeDef, TensorDef } from '../types.js'
import { repairBatch } from './batch.js'

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

/** Nodes with names of their own: the runtime takes no two of one name. */
function uniquelyNamed(nodes: readonly NodeDef[]): NodeDef[] {
  const taken = new Set<string>()
  return nodes.map((node, i) => {
    const name = node.name !== '' && taken.has(node.name) ? `${node.name}/${i}` : node.name
    taken.add(name)
    return name === node.name ? node : { ...node, name }
  })
}

/** Cuts a graph behind values: nodes, weights and inputs that these do not need are left out. */
export function cutGraph(source: CutSource, options: CutOptions): Cut {
  const { graph, image, values, model } = source
  const kept = needed(graph, options.values)
  const own = graph.nodes.filter((_, i) => kept.has(i))
  const { nodes, added } =
    options.batch === 'repaired' ? repairBatch(graph, own, image.name, values) : { nodes: own, added: [] as readonly TensorDef[] }
  const named = uniquelyNamed(nodes)
  const taken = new Set([...named.flatMap(node => [...namesTaken(node)]), ...options.values])
  const fed = options.fed ?? new Set<string>()
  const inputs = [...graph.inputs, ...graph.defaulted.filter(({ name }) => fed.has(name))].filter(({ name }) => taken.has(name))
  const weights = new Weights(source.files)
  const initializers = [...graph.initializers]
    .filter(([name]) => taken.has(name) && !fed.has(name))
    .map(([name, tensor]) => {
      if (tensor.place === undefined) return tensorProto(tensor, name)
      return tensorProto(tensor, name, { location: weightFile, offset: weights.add(tensor), length: tensor.place.length })
    })
  const domains = new Set(['', ...named.map(({ domain }) => domain)])
  const body = message([
    ...named.map(node => messageField(graphFields.node, nodeProto(node))),
    stringField(graphFields.name, 'layermill'),
    ...initializers.map(tensor => messageField(graphFields.initializer, tensor)),
    ...added.map(tensor => bytesField(graphFields.initializer, tensor.proto)),
    ...inputs.map(input =>
      messageField(
        graphFields.input,
        input.name === image.name ? valueProto(image.name, image.type, inputShape(image, options)) : asIs(input.proto),
      ),
    ),
    ...options.values.map(name => messageField(graphFields.output, outputProto(name, values.get(name)?.type ?? 0))),
  ])
  const proto = message([
    // Older files list every weight among the inputs, which is not repeated here.
    intField(modelFields.irVersion, Math.max(4, model.irVersion)),
    stringField(modelFields.producer, 'layermill'),
    messageField(modelFields.graph, body),
    ...[...opsetsOf(model, domains)].map(([domain, version]) =>
      messageField(modelFields.opsets, message([stringField(1, domain), intField(2, version)])),
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

const opsetsOf = (model: ModelDef, domains: ReadonlySet<string>): [string, number][] =>
  [...model.opsets].filter(([domain]) => domains.has(domain))
