import { elementCount, LayermillError, type Tensor } from '@layermill/core'
import type { FineTunedNetwork, GraphNode, NamedLayer, Size2 } from '@layermill/models'
import { imagesInFront, float, float16, isOnnxNetwork, type OnnxModel, prefixOf } from '@layermill/onnx'
import { int, ints, type OnnxInitializer, type OnnxNode } from '../graph.js'

/** Names of values that a head needs beside its layers' begin with it; no exporter's. */
const headPrefix = 'layermill.head'

/** The ONNX file below a head, and the value that the head reads. */
export interface HeadBase {
  readonly model: OnnxModel
  readonly layer: NamedLayer
  /** Of one image, as the layer is extracted: the values of the head's first node. */
  readonly shape: readonly number[]
}

/** The file below a fine-tuned network; undefined where that is on tables. */
export function headBase(network: FineTunedNetwork): HeadBase | undefined {
  const { base, head, nodes } = network
  if (!isOnnxNetwork(base)) return undefined
  const [first] = nodes
  if (first?.op !== 'input' || first.attributes.shape === undefined)
    throw new LayermillError('GRAPH_INVALID', `${network.id} does not begin with the values of ${head.layer}`)
  return { model: base.graph.model, layer: base.graph.resolve(head.layer)[0]!, shape: first.attributes.shape }
}

export interface HeadGraphOptions {
  readonly base: HeadBase
  /** Height and width of the images. */
  readonly size: Size2
  /** Version of ONNX's operators that the model has. */
  readonly opset: number
  /** The values of the base are float16 and have to be made float32. */
  readonly halves: boolean
  /** Dropout takes masks as inputs; else it is left out. */
  readonly dropout: boolean
  /** The node to end with. */
  readonly end: string
}

/** A head as operators behind a value of a file's graph. */
export interface HeadGraph {
  readonly nodes: readonly OnnxNode[]
  readonly initializers: ReadonlyMap<string, OnnxInitializer>
  /** Values by the name of their node. */
  readonly values: ReadonlyMap<string, string>
  /** Inputs by dropout node. */
  readonly masks: ReadonlyMap<string, { readonly input: string; readonly shape: readonly number[] }>
  /** Sides of the values without the batch, by value. */
  readonly shapes: ReadonlyMap<string, readonly number[]>
}

class HeadBuilder {
  readonly nodes: OnnxNode[] = []
  readonly initializers = new Map<string, OnnxInitializer>()
  readonly values = new Map<string, string>()
  readonly masks = new Map<string, { input: string; shape: readonly number[] }>()
  readonly shapes = new Map<string, readonly number[]>()

  constructor(private readonly options: HeadGraphOptions) {}

  private add(node: OnnxNode, shape: readonly number[]): string {
    const output = node.outputs[0]!
    this.nodes.push(node)
    this.shapes.set(output, shape)
    return output
  }

  private ints(name: string, ...data: number[]): string {
    const full = `${headPrefix}.${name}`
    this.initializers.set(full, { type: 'int64', shape: [data.length], data })
    return full
  }

  /** The layer's values in float32, one row of numbers for each image. */
  features(): string {
    const { base, halves } = this.options
    let value = base.layer.value
    if (halves) {
      this.nodes.push({ op: 'Cast', inputs: [value], outputs: [`${headPrefix}.float`], attributes: { to: int(float) } })
      value = `${headPrefix}.float`
    }
    const count = elementCount(base.shape)
    const rows = this.tokens(this.imagesFirst(value))
    const shape = this.ints('rows', -1, count)
    return this.add({ op: 'Reshape', inputs: [rows, shape], outputs: [`${headPrefix}.features`] }, [count])
  }

  /**
   * A value with its images in the first dimension, where they are in another.
   * @throws LayermillError `ONNX_UNSUPPORTED` where something else is in that dimension too
   */
  private imagesFirst(value: string): string {
    const { base, size } = this.options
    const { axis, outside } = base.model.placeOfBatch(base.layer.value, size) ?? imagesInFront
    const { dims } = base.model.shapeOf(base.layer.value, size)
    if (dims === undefined || (axis === 0 && outside === 1)) return value
    if (dims[axis] !== 1)
      throw new LayermillError('ONNX_UNSUPPORTED', `${base.layer.name}: the images of a batch lie between its other numbers`, {
        hint: 'put the head on a layer before or behind it',
      })
    const others = dims.flatMap((_, i) => (i === axis ? [] : [i]))
    const sides = others.map(i => dims[i] ?? 1)
    const outputs = [`${headPrefix}.front`]
    return this.add({ op: 'Transpose', inputs: [value], outputs, attributes: { perm: ints(axis, ...others) } }, sides)
  }

  /** The part of tokens that the layer is; a value of another kind as it is. */
  private tokens(value: string): string {
    const { base, size } = this.options
    const { tokens } = base.layer
    if (tokens === undefined || tokens === 'all') return value
    const { dims = [] } = base.model.shapeOf(base.layer.value, size)
    const axis = base.model.placeOfBatch(base.layer.value, size)?.axis ?? 0
    const [count = 0, width = 0] = dims.filter((_, i) => i !== axis)
    const prefix = prefixOf(base.model, count, size)
    const [from, to] = tokens === 'cls' ? [0, 1] : [prefix, count]
    const taken = this.slice(value, { from, to, output: `${headPrefix}.tokens`, shape: [to - from, width] })
    if (tokens !== 'mean') return taken
    // A mean over tokens by an operator that is the same in all versions.
    const turned = this.add({ op: 'Transpose', inputs: [taken], outputs: [`${headPrefix}.turned`], attributes: { perm: ints(0, 2, 1) } }, [
      width,
      to - from,
    ])
    return this.add({ op: 'GlobalAveragePool', inputs: [turned], outputs: [`${headPrefix}.mean`] }, [width, 1])
  }

  /** A part along the second axis. */
  private slice(
    value: string,
    { from, to, output, shape }: { readonly from: number; readonly to: number; readonly output: string; readonly shape: readonly number[] },
  ): string {
    const outputs = [output]
    if (this.options.opset < 10)
      return this.add({ op: 'Slice', inputs: [value], outputs, attributes: { axes: ints(1), starts: ints(from), ends: ints(to) } }, shape)
    const ends = [this.ints(`${output}.from`, from), this.ints(`${output}.to`, to), this.ints('axis', 1)]
    return this.add({ op: 'Slice', inputs: [value, ...ends], outputs }, shape)
  }

  node(node: GraphNode): void {
    if (node.op === 'input') return void this.values.set(node.name, this.features())
    const input = this.values.get(node.inputs[0]!)!
    const outputs = [node.name]
    switch (node.op) {
      case 'linear': {
        const { weight, bias } = node.parameters
        this.values.set(
          node.name,
          this.add({ op: 'Gemm', inputs: [input, weight, bias], outputs, attributes: { transB: int(1) } }, [node.attributes.outFeatures]),
        )
        return
      }
      case 'relu':
        return void this.values.set(node.name, this.add({ op: 'Relu', inputs: [input], outputs }, this.shapes.get(input)!))
      case 'softmax':
        return void this.values.set(
          node.name,
          this.add({ op: 'Softmax', inputs: [input], outputs, attributes: { axis: int(1) } }, this.shapes.get(input)!),
        )
      case 'sigmoid':
        return void this.values.set(node.name, this.add({ op: 'Sigmoid', inputs: [input], outputs }, this.shapes.get(input)!))
      case 'slice': {
        const { from, to } = node.attributes
        return void this.values.set(node.name, this.slice(input, { from, to, output: node.name, shape: [to - from] }))
      }
      case 'concat': {
        const inputs = node.inputs.map(name => this.values.get(name)!)
        const count = inputs.reduce((sum, name) => sum + elementCount(this.shapes.get(name)!), 0)
        return void this.values.set(node.name, this.add({ op: 'Concat', inputs, outputs, attributes: { axis: int(1) } }, [count]))
      }
      case 'dropout': {
        if (!this.options.dropout) return void this.values.set(node.name, input)
        const mask = { input: `${node.name}/mask`, shape: this.shapes.get(input)! }
        this.masks.set(node.name, mask)
        return void this.values.set(node.name, this.add({ op: 'Mul', inputs: [input, mask.input], outputs }, mask.shape))
      }
      default:
        throw new LayermillError('GRAPH_INVALID', `${node.name} (${node.op}) is in no head on an ONNX file`)
    }
  }
}

/** The head of a network on an ONNX file, up to a node, as operators that every version of ONNX since 7 has. */
export function headGraph(network: FineTunedNetwork, options: HeadGraphOptions): HeadGraph {
  const builder = new HeadBuilder(options)
  for (const node of network.nodes) {
    builder.node(node)
    if (node.name === options.end) break
  }
  return builder
}

/** The numbers of tensors that learn in the ONNX file below a network; none of a network on tables. */
export async function fileTensors(network: FineTunedNetwork, names: readonly string[]): Promise<Map<string, Tensor>> {
  const found = new Map<string, Tensor>()
  const model = headBase(network)?.model
  for (const name of names) if (model?.graph.initializers.has(name) === true) found.set(name, await model.tensor(name))
  return found
}

/** Whether a file's values between its operators are of float16. */
export function isHalf({ model, layer }: HeadBase, size: Size2): boolean {
  return model.shapeOf(layer.value, size).type === float16
}

/** Parameters of a head's linear layers as constants. */
export function headParameters(network: FineTunedNetwork, tensors: ReadonlyMap<string, Tensor>): Map<string, OnnxInitializer> {
  const names = network.nodes.flatMap(node => (node.op === 'linear' ? Object.values(node.parameters) : []))
  return new Map(
    names.map(name => {
      const tensor = tensors.get(name)
      if (tensor === undefined) throw new LayermillError('WEIGHTS_MISSING_TENSOR', `the weights have no tensor ${name}`)
      return [name, { type: 'float32', shape: tensor.shape, data: tensor.data }]
    }),
  )
}
