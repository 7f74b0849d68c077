import type { Tensor } from '@layermill/core'
import type { Size2 } from '@layermill/models'
import { ints, type OnnxAttribute, type OnnxNode, type OwnDomain } from '../graph.js'
import { LoweringContext } from '../lower/context.js'
import { Layouts } from './layouts.js'

/** Facts that are known before the graph is made. */
export interface TrainingFacts {
  /** The weights by name; throws for one that is not there. */
  readonly parameter: (name: string) => Tensor
  /** Shapes of values by node, without the batch. */
  readonly shapes: ReadonlyMap<string, readonly number[]>
  /** Parameters whose gradients are wanted. */
  readonly trainable: ReadonlySet<string>
  /** Nodes whose values' gradients are wanted. */
  readonly withGradient: ReadonlySet<string>
  /** Nodes whose value is computed from parameters that change between runs, or whose value's gradient is wanted. */
  readonly changing: ReadonlySet<string>
  /** Nodes whose values are never negative and pass no gradient on where they are 0. */
  readonly deadZeros: ReadonlySet<string>
  /** How many nodes read a node's value; one more where it is an output. */
  readonly readers: ReadonlyMap<string, number>
  /** Channels that lie together where convolutions work on blocked values (see `Layouts`); undefined where they do not. */
  readonly block: number | undefined
  /** Whether a batch norm uses the statistics of the batch. */
  readonly ofBatch: (norm: string) => boolean
  /** Dropout is on: masks are inputs. */
  readonly dropout: boolean
}

/** Statistics of a batch that a batch norm computed. */
export interface StatisticsOutput {
  /** The value's name for the mean and the (biased) variance, [channels]. */
  readonly mean: string
  readonly variance: string
  readonly channels: number
  /** Elements of a channel in one image. */
  readonly elementsPerImage: number
}

/** Context that the rules of training write into: the forward pass, then gradients from the last node to the first. */
export class TrainingContext extends LoweringContext {
  readonly masks = new Map<string, readonly number[]>()
  readonly statistics = new Map<string, StatisticsOutput>()
  readonly parameterGradients = new Map<string, string>()
  readonly layouts: Layouts
  private readonly contributions = new Map<string, string[]>()
  private counter = 0

  constructor(private readonly facts: TrainingFacts) {
    super(facts.parameter, (node): Size2 | undefined => {
      const shape = facts.shapes.get(node)
      return shape?.length === 3 ? [shape[1]!, shape[2]!] : undefined
    })
    this.layouts = new Layouts(this, facts.block)
  }

  /** Whether a batch norm uses the statistics of the batch. */
  ofBatch(norm: string): boolean {
    return this.facts.ofBatch(norm)
  }

  get dropout(): boolean {
    return this.facts.dropout
  }

  /** A parameter's values, for what can be computed beforehand. */
  parameterData(name: string): Float32Array {
    return this.facts.parameter(name).data
  }

  parameterShape(name: string): readonly number[] {
    return this.facts.parameter(name).shape
  }

  /** A node's shape without the batch. */
  shape(node: string): readonly number[] {
    const shape = this.facts.shapes.get(node)
    if (shape === undefined) throw new RangeError(`no shape of ${node}`)
    return shape
  }

  /** The ONNX value that holds a node's value as [N, ...shape]. */
  override value(node: string): string {
    return this.layouts.plain(super.value(node))
  }

  /** The ONNX value that holds a node's value in whatever arrangement it was computed. */
  raw(node: string): string {
    return super.value(node)
  }

  /** Whether a node's weights change between runs, or are near to such. */
  changes(node: string): boolean {
    return this.facts.changing.has(node)
  }

  /** Whether a node's value is never negative, and the gradient at its zeros does not matter. */
  hasDeadZeros(node: string): boolean {
    return this.facts.deadZeros.has(node)
  }

  /** Whether one node only reads a node's value. */
  hasOneReader(node: string): boolean {
    return this.facts.readers.get(node) === 1
  }

  /** Index among the nodes of the operator that makes a value. It is -1 for an input. */
  position(value: string): number {
    return this.nodes.findLastIndex(({ outputs }) => outputs.includes(value))
  }

  /** The operator that makes a value. */
  producer(value: string): OnnxNode | undefined {
    return this.nodes[this.position(value)]
  }

  /** Puts another operator in the place of the one that makes a value. */
  replace(value: string, node: OnnxNode): void {
    this.nodes[this.position(value)] = node
  }

  /** Whether anything before a node learns. */
  needs(node: string): boolean {
    return this.facts.withGradient.has(node)
  }

  learns(parameter: string | undefined): parameter is string {
    return parameter !== undefined && this.facts.trainable.has(parameter)
  }

  /** Appends an operator whose output gets a name of its own. */
  op(op: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}, domain?: OwnDomain): string {
    return this.emit(op, inputs, `${op}#${this.counter++}`, attributes, domain)
  }

  /** An int64 vector; the same constant for the same numbers. */
  ints(...values: number[]): string {
    return this.constant(`ints/${values.join(',')}`, { type: 'int64', shape: [values.length], data: values })
  }

  /** A float32 vector, or a scalar for a number. */
  floats(values: number | Float32Array, shape?: readonly number[]): string {
    if (typeof values === 'number') return this.constant(`float/${values}`, { type: 'float32', shape: [], data: Float32Array.of(values) })
    return this.constant(`floats#${this.counter++}`, { type: 'float32', shape: shape ?? [values.length], data: values })
  }

  reshape(value: string, ...shape: number[]): string {
    return this.op('Reshape', [value, this.ints(...shape)])
  }

  transpose(value: string, ...permutation: number[]): string {
    return this.op('Transpose', [value], { perm: ints(...permutation) })
  }

  /** Cells `starts` to below `ends` with `steps` along `axes`. */
  slice(value: string, starts: readonly number[], ends: readonly number[], axes: readonly number[], steps: readonly number[]): string {
    return this.op('Slice', [value, this.ints(...starts), this.ints(...ends), this.ints(...axes), this.ints(...steps)])
  }

  /** Adds a part of the gradient of a node's value; the part is read by nothing else. */
  accumulate(node: string, gradient: string): void {
    if (!this.needs(node)) return
    const part = this.layouts.like(gradient, this.raw(node))
    const parts = this.contributions.get(node)
    if (parts === undefined) this.contributions.set(node, [part])
    else if (this.layouts.fuseSum(part, parts.at(-1)!)) parts.splice(-1, 1, part)
    else parts.push(part)
  }

  /** A node's gradient, arranged as its value, once all its readers have added theirs; undefined where none did. */
  gradient(node: string): string | undefined {
    const parts = this.contributions.get(node)
    if (parts === undefined || parts.length === 1) return parts?.[0]
    const sum = this.op('Sum', parts)
    return this.layouts.isBlocked(parts[0]!) ? this.layouts.mark(sum, this.shape(node)[0]!) : sum
  }

  /** Sets a parameter's gradient; every parameter belongs to one node. */
  setParameterGradient(parameter: string, gradient: string): void {
    if (this.parameterGradients.has(parameter)) throw new RangeError(`${parameter} belongs to two nodes`)
    this.parameterGradients.set(parameter, gradient)
  }
}
