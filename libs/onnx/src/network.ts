import { elementCount, formatShape, LayermillError } from '@layermill/core'
import type { GraphHead, LearnableTensor, NamedLayer, Network, NetworkGraph, Preparation, Size2 } from '@layermill/models'
import { basename } from 'node:path'
import { rowShape } from './batch-rows.js'
import { needed } from './depends.js'
import type { OnnxModel } from './model.js'
import { ownHead } from './own-head.js'
import type { Info } from './shapes/info.js'
import { prefixOf, splitTokens, tokenShape } from './tokens.js'
import { learnableTensors } from './train/learnable.js'
import { isFloat, uint8 } from './types.js'

/** The layer of a graph's probabilities where its file ends with scores: engines put a softmax behind these. */
export const probabilities = 'layermill:probabilities'

/** A network that is an ONNX file. */
export interface OnnxNetwork extends Network {
  readonly graph: OnnxGraph
}

/** Whether a network was read from an ONNX file. */
export const isOnnxNetwork = (network: Pick<Network, 'graph'>): network is OnnxNetwork => network.graph instanceof OnnxGraph

/** Operators of which a multiply-add is counted as two operations: convolutions and products of matrices. */
const convolutions = new Set(['Conv', 'FusedConv', 'ConvInteger', 'QLinearConv', 'ConvTranspose', 'DeformConv'])
const products = new Set(['MatMul', 'MatMulInteger', 'QLinearMatMul', 'FusedMatMul', 'Gemm', 'FusedGemm'])

const count = (info: Info | undefined): number =>
  info?.dims === undefined || info.dims.includes(undefined) ? 0 : elementCount(info.dims as number[])

/** An ONNX model as the graph of a network. */
export class OnnxGraph implements NetworkGraph {
  constructor(
    readonly model: OnnxModel,
    private readonly id: string,
    /** The value of the classes' scores, where there is one that softmax has yet to make probabilities of. */
    readonly scores?: string,
  ) {}

  resolve(layer: string): readonly NamedLayer[] {
    // The classifier of a file that has none.
    if (layer === '') {
      throw new LayermillError('LAYER_UNKNOWN', `${this.model.path} gives no scores of classes, which are needed here`, {
        hint: 'extract its layers, or train a head on one of them with `layermill finetune`',
      })
    }
    const part = splitTokens(layer)
    if (part !== undefined && !this.model.names.isValue(layer)) {
      return this.model.names.resolve(part.layer).map(found => ({ ...found, name: `${found.name}:${part.tokens}`, tokens: part.tokens }))
    }
    if (layer === probabilities && this.scores !== undefined) return [{ name: layer, value: this.scores }]
    return this.model.names.resolve(layer)
  }

  /** The value of a layer that stands for one. */
  private valueOf(layer: string): string {
    const found = this.resolve(layer)
    if (found.length === 1) return found[0]!.value
    throw new LayermillError('LAYER_AMBIGUOUS', `${this.id}: '${layer}' stands for ${found.length} layers, and one is needed here`)
  }

  learnable(layer: string): ReadonlyMap<string, LearnableTensor> {
    return learnableTensors(this.model.graph, this.model.model.graph.initializers, this.valueOf(layer))
  }

  get head(): GraphHead | undefined {
    const head = ownHead(this.model)
    try {
      return head !== undefined && this.resolve(head.layer).length === 1 ? head : undefined
    } catch (error) {
      if (error instanceof LayermillError) return undefined
      throw error
    }
  }

  weightBytes(layer: string): number {
    const { graph } = this.model
    const names = new Set([...needed(graph, [this.valueOf(layer)])].flatMap(index => graph.nodes[index]!.inputs))
    return [...names].reduce((sum, name) => sum + (graph.initializers.get(name)?.place?.length ?? 0), 0)
  }

  isTaken(name: string): boolean {
    const { initializers, producers, inputs } = this.model.graph
    return initializers.has(name) || producers.has(name) || inputs.some(input => input.name === name) || this.model.names.modules.has(name)
  }

  takesSize(size: Size2): boolean {
    return this.model.takesSize(size)
  }

  private checkSize(layer: string, size: Size2): void {
    if (this.model.takesSize(size)) return
    const [height, width] = this.model.defaultSize
    throw new LayermillError('INPUT_SIZE', `layer ${layer} of ${this.id} cannot be computed from ${size[1]}x${size[0]} images`, {
      hint: `the file takes ${width}x${height} only: leave out --size, or export it with symbolic height and width`,
    })
  }

  shape(layer: string, size: Size2): readonly number[] {
    this.checkSize(layer, size)
    const value = this.valueOf(layer)
    this.model.requireImagesOnly(value)
    const { dims } = this.model.shapeOf(value, size)
    if (dims === undefined || dims.includes(undefined)) {
      throw new LayermillError('INPUT_SIZE', `layer ${layer} of ${this.id} has a shape that depends on more than the size of the images`, {
        hint: 'take a layer before or behind it; `layermill models FILE` lists shapes',
      })
    }
    if (dims.length === 0)
      throw new LayermillError('INPUT_SIZE', `layer ${layer} of ${this.id} is a single number, and has no row for each image`)
    const whole = rowShape(dims as number[], this.model.placeOfBatch(value, size))
    const part = this.resolve(layer)[0]!.tokens
    const shape = part === undefined ? whole : tokenShape(layer, whole, part, prefixOf(this.model, whole[0] ?? 0, size))
    const sized = shape.length === 0 ? [1] : shape
    if (sized.every(side => side >= 1)) return sized
    throw new LayermillError(
      'INPUT_SIZE',
      `layer ${layer} would be ${formatShape(sized)}: images of ${size[1]}x${size[0]} are too small for it`,
    )
  }

  /** Floating-point operations of one node. */
  private nodeFlops(index: number, infos: ReadonlyMap<string, Info>): number {
    const node = this.model.graph.nodes[index]!
    const made = count(infos.get(node.outputs[0] ?? ''))
    const second = infos.get(node.inputs[node.op.startsWith('QLinear') ? 3 : 1] ?? '')?.dims
    if (second === undefined || second.includes(undefined)) return 0
    if (convolutions.has(node.op)) {
      // Weights are [out, in / groups, ...]; transposed ones [in, out / groups, ...], each input element goes into that many products.
      const each = elementCount(second.slice(1) as number[])
      return 2 * each * (node.op === 'ConvTranspose' ? count(infos.get(node.inputs[0] ?? '')) : made)
    }
    if (node.op === 'MatMulNBits') return 2 * made * (node.attributes.get('K')?.numbers[0] ?? 0)
    if (!products.has(node.op)) return 0
    const inner = infos.get(node.inputs[0] ?? '')?.dims?.at((node.attributes.get('transA')?.numbers[0] ?? 0) === 1 ? 0 : -1)
    return 2 * made * (inner ?? 0)
  }

  /** Floating-point operations from the image to each of these values. */
  flopsOf(values: readonly string[], size: Size2): Map<string, number> {
    const infos = this.model.values(size)
    const each = this.model.graph.nodes.map((_, index) => this.nodeFlops(index, infos))
    return new Map(values.map(value => [value, [...needed(this.model.graph, [value])].reduce((sum, index) => sum + each[index]!, 0)]))
  }

  cost(layer: string, size: Size2): { flops: number; parameters: number } {
    const { graph } = this.model
    const value = this.valueOf(layer)
    const weights = new Set<string>()
    for (const index of needed(graph, [value])) {
      for (const name of graph.nodes[index]!.inputs) if (isFloat(graph.initializers.get(name)?.type)) weights.add(name)
    }
    return { flops: this.flopsOf([value], size).get(value)!, parameters: this.numbersOf(weights) }
  }

  private numbersOf(names: Iterable<string>): number {
    return [...names].reduce((sum, name) => sum + elementCount(this.model.graph.initializers.get(name)!.dims), 0)
  }

  get parameters(): number {
    const used = new Set(this.model.graph.nodes.flatMap(({ inputs }) => inputs))
    return this.numbersOf(
      [...this.model.graph.initializers.values()].filter(({ type, name }) => isFloat(type) && used.has(name)).map(({ name }) => name),
    )
  }

  workingBytes(layers: readonly string[], size: Size2): number {
    const { graph } = this.model
    const infos = this.model.values(size)
    const outputs = layers.map(layer => this.valueOf(layer))
    const order = [...needed(graph, outputs)].toSorted((a, b) => a - b)
    const lastReader = new Map<string, number>()
    for (const node of order) for (const name of graph.nodes[node]!.inputs) lastReader.set(name, node)
    let live = 0
    let most = 0
    for (const index of order) {
      const node = graph.nodes[index]!
      for (const name of node.outputs) live += count(infos.get(name))
      most = Math.max(most, live)
      for (const name of new Set(node.inputs)) {
        if (lastReader.get(name) === index && graph.producers.has(name) && !outputs.includes(name)) live -= count(infos.get(name))
      }
    }
    const handedOver = 3 * size[0] * size[1] + outputs.reduce((sum, name) => sum + count(infos.get(name)), 0)
    return (most + handedOver) * Float32Array.BYTES_PER_ELEMENT
  }
}

/** Pixels as they are: for networks that normalise themselves. */
const pixels: Preparation = {
  channels: 'rgb',
  divisor: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  resize: { kind: 'exact' },
  resample: 'bilinear',
}

/** Names of outputs that are no scores, whatever their shape. */
const features = /pool|embed|feature|hidden|state|token/i

/** Ends of a file that was fine-tuned here, which says so; undefined for another. */
function ownEnds({ model, graph }: OnnxModel): { scores: string; probabilities: string } | undefined {
  const scores = model.metadata.get('layermill.scores')
  const shares = model.metadata.get('layermill.probabilities')
  if (scores === undefined || shares === undefined) return undefined
  return graph.producers.has(scores) && graph.producers.has(shares) ? { scores, probabilities: shares } : undefined
}

/** Names of values that our own heads have beside their layers. */
const headValue = /^layermill\.head\./

/** The layer that a head of ours is on, for a value within that head. */
function beforeHead(graph: OnnxModel['graph'], value: string): string {
  const input = headValue.test(value) ? graph.nodes[graph.producers.get(value) ?? -1]?.inputs[0] : undefined
  return input === undefined ? value : beforeHead(graph, input)
}

/**
 * The value of classes' scores: an output with one row of numbers for an image that is named so, or the only one and made by a linear
 * layer.
 */
function scoresOf(model: OnnxModel): { value: string; classes: number } | undefined {
  const { graph } = model
  const own = ownEnds(model)
  if (own !== undefined) return { value: own.scores, classes: model.shapeOf(own.scores).dims?.[1] ?? 0 }
  const flat = graph.outputs.flatMap(({ name }) => {
    const { dims, type } = model.shapeOf(name)
    const isRow = isFloat(type) && dims?.length === 2 && dims[0] === 1 && dims[1] !== undefined
    return isRow && !features.test(name) ? [{ value: name, classes: dims[1]! }] : []
  })
  return flat.find(({ value }) => /logit|score|prob|class/i.test(value)) ?? (graph.outputs.length === 1 ? flat[0] : undefined)
}

/** The layer that is taken where none is asked for: what goes into the last layer with weights, pooled or not; else the first output. */
function defaultLayerOf(model: OnnxModel): string {
  const { graph } = model
  const outputs = graph.outputs.map(({ name }) => name)
  const scores = scoresOf(model)
  if (scores === undefined) {
    const real = outputs.filter(name => isFloat(model.shapeOf(name).type))
    return real.find(name => model.shapeOf(name).dims?.length === 2) ?? real[0] ?? outputs[0]!
  }
  let value = scores.value
  for (let step = 0; step < 8; step++) {
    const node = graph.nodes[graph.producers.get(value) ?? -1]
    const input = node?.inputs.find(name => graph.producers.has(name) && isFloat(model.shapeOf(name).type))
    if (node === undefined || input === undefined) return scores.value
    if (node.op === 'Gemm' || node.op === 'MatMul') return beforeHead(graph, input)
    value = input
  }
  return scores.value
}

export interface OnnxNetworkOptions {
  /** Name in messages and results. */
  readonly id?: string
  readonly preparation?: Preparation | undefined
  readonly inputSize?: Size2 | undefined
}

/**
 * A network of an ONNX file. Without a preparation that is known, one that leaves pixels as they are, which is right for uint8 inputs only.
 */
export function onnxNetwork(model: OnnxModel, { id = basename(model.path), preparation, inputSize }: OnnxNetworkOptions = {}): OnnxNetwork {
  const scores = scoresOf(model)
  const made = scores === undefined ? undefined : model.graph.nodes[model.graph.producers.get(scores.value) ?? -1]?.op
  const own = ownEnds(model)
  const ready = made === 'Softmax' || made === 'Sigmoid' || own !== undefined
  const size = inputSize !== undefined && model.takesSize(inputSize) ? inputSize : model.defaultSize
  return {
    id,
    architecture: 'onnx',
    family: 'onnx',
    variant: {},
    nodes: [],
    layers: new Map(),
    availableLayers: [...model.names.modules.keys()],
    defaultLayer: defaultLayerOf(model),
    classifier: scores?.value ?? '',
    probabilities: own?.probabilities ?? (scores === undefined ? '' : ready ? scores.value : probabilities),
    classes: scores?.classes ?? 0,
    inputSize: size,
    preparation: preparation ?? pixels,
    graph: new OnnxGraph(model, id, ready ? undefined : scores?.value),
  }
}

/** Whether a file takes pixels as they are: whole numbers. */
export const takesPixels = (model: OnnxModel): boolean => model.image.type === uint8
