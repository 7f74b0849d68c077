import type { Tensor } from '@layermill/core'
import type { Size2 } from '@layermill/models'
import type { OnnxAttribute, OnnxInitializer, OnnxNode, OwnDomain } from '../graph.js'

/** A matrix that a run feeds because it depends on the size of the images: row i of [parts, length] averages its part of `length`. */
export interface AveragingInput {
  readonly name: string
  /** The node whose value is averaged. */
  readonly source: string
  readonly axis: 'height' | 'width'
  readonly parts: number
}

/** Context that rules write into while a network is lowered. */
export class LoweringContext {
  readonly nodes: OnnxNode[] = []
  readonly initializers = new Map<string, OnnxInitializer>()
  readonly averaging: AveragingInput[] = []
  private readonly values = new Map<string, string>()

  /**
   * @param parameter the weights by name; throws for one that is not there.
   * @param sizeOf height and width of a node's value where the images' size is known beforehand, else undefined.
   * @param lrnChannels channels by node where LRN is to be computed as products (`lrnAsProducts`); left out, by ONNX's operator.
   */
  constructor(
    protected readonly parameter: (name: string) => Tensor,
    readonly sizeOf: (node: string) => Size2 | undefined,
    readonly lrnChannels?: ReadonlyMap<string, number>,
  ) {}

  /** The ONNX value that holds a node's value. */
  value(node: string): string {
    const value = this.values.get(node)
    if (value === undefined) throw new RangeError(`${node} is read before it is computed`)
    return value
  }

  /** Records which ONNX value holds a node's value. */
  bind(node: string, value: string): void {
    this.values.set(node, value)
  }

  /** Appends an operator with one output, named `output`, and returns that name. */
  emit(
    op: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    domain?: OwnDomain,
  ): string {
    this.nodes.push({ op, inputs, outputs: [output], attributes, ...(domain === undefined ? {} : { domain }) })
    return output
  }

  /** Whole numbers as a constant of the graph. */
  integers(name: string, data: readonly number[]): string {
    this.initializers.set(name, { type: 'int64', shape: [data.length], data })
    return name
  }

  /** A parameter of the network as a constant of the graph; the same one for every node that reads it. */
  weight(name: string): string {
    if (!this.initializers.has(name)) this.initializers.set(name, { type: 'float32', ...this.parameter(name) })
    return name
  }

  constant(name: string, value: OnnxInitializer): string {
    this.initializers.set(name, value)
    return name
  }
}
