import type { Size2, Tensor } from '@layermill/models'
import { ints, type OnnxAttribute } from '../graph.js'
import { LoweringContext } from '../lower/context.js'

/** What is known before the graph is made. */
export interface TrainingFacts {
  /** The weights by name; throws for one that is not there. */
  readonly parameter: (name: string) => Tensor
  /** Shapes of values by node, without the batch. */
  readonly shapes: ReadonlyMap<string, readonly number[]>
  /** Parameters whose gradients are wanted. */
  readonly trainable: ReadonlySet<string>
  /** Nodes whose values' gradients are wanted. */
  readonly withGradient: ReadonlySet<string>
  /** Batch norm uses the statistics of the batch. */
  readonly batchStatistics: boolean
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

/** What the rules of training write into: the forward pass, then gradients from the last node to the first. */
export class TrainingContext extends LoweringContext {
  readonly masks = new Map<string, readonly number[]>()
  readonly statistics = new Map<string, StatisticsOutput>()
  readonly parameterGradients = new Map<string, string>()
  private readonly contributions = new Map<string, string[]>()
  private counter = 0

  constructor(private readonly facts: TrainingFacts) {
    super(facts.parameter, (node): Size2 | undefined => {
      const shape = facts.shapes.get(node)
      return shape?.length === 3 ? [shape[1]!, shape[2]!] : undefined
    })
  }

  get batchStatistics(): boolean {
    return this.facts.batchStatistics
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

  /** Whether anything before a node learns. */
  needs(node: string): boolean {
    return this.facts.withGradient.has(node)
  }

  learns(parameter: string | undefined): parameter is string {
    return parameter !== undefined && this.facts.trainable.has(parameter)
  }

  /** Appends an operator whose output gets a name of its own. */
  op(op: string, inputs: readonly string[], attributes: Record<string, OnnxAttribute> = {}): string {
    return this.emit(op, inputs, `${op}#${this.counter++}`, attributes)
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

  /** Adds a part of the gradient of a node's value. */
  accumulate(node: string, gradient: string): void {
    if (!this.needs(node)) return
    const parts = this.contributions.get(node)
    if (parts === undefined) this.contributions.set(node, [gradient])
    else parts.push(gradient)
  }

  /** A node's gradient once all its readers have added theirs; undefined where none did. */
  gradient(node: string): string | undefined {
    const parts = this.contributions.get(node)
    if (parts === undefined) return undefined
    return parts.length === 1 ? parts[0] : this.op('Sum', parts)
  }

  /** Sets a parameter's gradient; every parameter belongs to one node. */
  setParameterGradient(parameter: string, gradient: string): void {
    if (this.parameterGradients.has(parameter)) throw new RangeError(`${parameter} belongs to two nodes`)
    this.parameterGradients.set(parameter, gradient)
  }
}
