import type { Tensor } from '@layermill/core'
import type { Size2 } from '@layermill/models'
import { LoweringContext } from '../lower/context.js'
import { activationQuantiser, type Quantiser, quantiseWeights, type Range } from './parameters.js'
import type { Int8Plan } from './plan.js'

/** A node's value in uint8, with the names of its scale and zero point in the graph. */
export interface QuantisedValue extends Quantiser {
  readonly value: string
  readonly scaleName: string
  readonly zeroName: string
}

/** One value in the forms that exist so far. */
interface Forms {
  readonly name: string
  float?: string
  quantised?: QuantisedValue
}

/** Lowers to a graph in which each value is float32 or uint8 and is converted where another form is first read. */
export class Int8Context extends LoweringContext {
  private readonly forms = new Map<string, Forms>()

  /** @param ranges by node: those of the plan's points. */
  constructor(
    parameter: (name: string) => Tensor,
    sizeOf: (node: string) => Size2 | undefined,
    readonly plan: Int8Plan,
    private readonly ranges: ReadonlyMap<string, Range>,
    lrnChannels?: ReadonlyMap<string, number>,
  ) {
    super(parameter, sizeOf, lrnChannels)
  }

  override value(node: string): string {
    const forms = this.formsOf(node)
    if (forms.float === undefined) {
      const { value, scaleName, zeroName } = forms.quantised!
      forms.float = this.emit('DequantizeLinear', [value, scaleName, zeroName], forms.name)
    }
    return forms.float
  }

  override bind(node: string, value: string): void {
    this.forms.set(node, { name: node, float: value })
  }

  bindQuantised(node: string, quantised: QuantisedValue): void {
    this.forms.set(node, { name: node, quantised })
  }

  /** A node that has the very value of another. */
  bindSame(node: string, source: string): void {
    this.forms.set(node, this.formsOf(source))
  }

  /** Whether a node's value came out as uint8. */
  isQuantised(node: string): boolean {
    return this.formsOf(node).quantised !== undefined
  }

  /** A node's value in uint8, with its own range. */
  quantised(node: string): QuantisedValue {
    const forms = this.formsOf(node)
    forms.quantised ??= this.quantise(forms.float!, forms.name, this.plan.rangeOf(node))
    return forms.quantised
  }

  /** Scale and zero point of a node's range, for a value named `value` that an operator computes. */
  target(value: string, node: string): QuantisedValue {
    const point = this.plan.rangeOf(node)
    const range = this.ranges.get(point)
    if (range === undefined) throw new RangeError(`no range of ${point} was given`)
    const { scale, zeroPoint } = activationQuantiser(range)
    const scaleName = this.constant(`${point}/scale`, { type: 'float32', shape: [], data: Float32Array.of(scale) })
    const zeroName = this.constant(`${point}/zero`, { type: 'uint8', shape: [], data: Uint8Array.of(zeroPoint) })
    return { value, scaleName, zeroName, scale, zeroPoint }
  }

  /** Emits a conversion of a float32 value to the range of a point. */
  quantise(float: string, name: string, point: string): QuantisedValue {
    const target = this.target(`${name}/uint8`, point)
    this.emit('QuantizeLinear', [float, target.scaleName, target.zeroName], target.value)
    return target
  }

  /** A node's weights as constants: names of the int8 values, their scales, their zero points and the int32 bias. */
  weights(node: string, parameters: { weight: string; bias?: string }, inputScale: number) {
    const weight = this.parameter(parameters.weight)
    const bias = parameters.bias === undefined ? undefined : this.parameter(parameters.bias).data
    const { data, scales, bias: biases } = quantiseWeights(weight, bias, inputScale)
    const rows = [scales.length]
    return {
      values: this.constant(`${node}/int8/W`, { type: 'int8', shape: weight.shape, data }),
      scales: this.constant(`${node}/int8/scale`, { type: 'float32', shape: rows, data: scales }),
      zeros: this.constant(`${node}/int8/zero`, { type: 'int8', shape: rows, data: new Int8Array(scales.length) }),
      bias: this.constant(`${node}/int8/b`, { type: 'int32', shape: rows, data: biases }),
    }
  }

  private formsOf(node: string): Forms {
    const forms = this.forms.get(node)
    if (forms === undefined) throw new RangeError(`${node} is read before it is computed`)
    return forms
  }
}
