import * as tf from '@tensorflow/tfjs-core'
import { LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import type { RuleContext } from './rules.js'
import { upload } from './values.js'

const required = <T>(value: T | undefined, name: string): T => {
  if (value !== undefined) return value
  throw new LayermillError('WEIGHTS_MISSING_TENSOR', `the weights have no tensor ${name}`)
}

/** [out, in, height, width] as TensorFlow has it. */
const toFilter = (weight: tf.Tensor): tf.Tensor4D => tf.transpose(weight as tf.Tensor4D, [2, 3, 1, 0])

/**
 * A network's parameters on the backend. Convolutions' weights that stay as they are are kept in TensorFlow's layout; those that change are
 * kept as they come and turned when read, so that their gradients come out in the project's layout.
 */
export class Parameters implements RuleContext {
  private readonly tensors = new Map<string, tf.Tensor>()
  private readonly filters = new Map<string, tf.Tensor4D>()

  constructor(
    weights: TensorMap,
    private readonly changing: ReadonlySet<string> = new Set(),
  ) {
    for (const [name, { shape, data }] of weights) {
      const tensor = { shape, data }
      if (shape.length === 4 && !changing.has(name))
        this.filters.set(
          name,
          tf.tidy(() => toFilter(upload(tensor))),
        )
      else this.tensors.set(name, upload(tensor))
    }
  }

  parameter(name: string): tf.Tensor {
    return required(this.tensors.get(name), name)
  }

  filter(name: string): tf.Tensor4D {
    return this.filters.get(name) ?? toFilter(this.parameter(name))
  }

  mask(): undefined {
    return undefined
  }

  /** Replaces parameters that change. */
  set(parameters: ReadonlyMap<string, Tensor>): void {
    for (const [name, tensor] of parameters) {
      if (!this.changing.has(name)) continue
      this.parameter(name).dispose()
      this.tensors.set(name, upload(tensor))
    }
  }

  dispose(): void {
    tf.dispose([...this.tensors.values(), ...this.filters.values()])
    this.tensors.clear()
    this.filters.clear()
  }
}
