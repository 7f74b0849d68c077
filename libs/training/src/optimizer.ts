import { setImmediate } from 'node:timers/promises'
import { LayermillError, type TensorMap } from '@layermill/models'
import { adam, momentumSgd, squareSum, type GradientChange } from './optimizer-rules.js'

interface CommonSpec {
  /** Chainer's WeightDecay hook: this share of the parameter is added to its gradient. Default 0. */
  readonly weightDecay?: number
  /** Chainer's GradientClipping hook: the gradients' common L2 norm is brought down to this. Comes before weight decay. */
  readonly clipNorm?: number
}

/** Chainer's names and defaults. `alpha` and `lr` are the learning rates. */
export type OptimizerSpec =
  | (CommonSpec & {
      readonly kind: 'adam' | 'adamw'
      /** Default 0.001. */
      readonly alpha?: number
      readonly beta1?: number
      readonly beta2?: number
      readonly eps?: number
      readonly eta?: number
      /** Decoupled decay (Loshchilov and Hutter), not multiplied by alpha. Default 0. */
      readonly weight_decay_rate?: number
    })
  | (CommonSpec & {
      readonly kind: 'momentum'
      /** Default 0.01. */
      readonly lr?: number
      readonly momentum?: number
    })

/** An optimizer's memory: part of a checkpoint. `tensors` are named `m/PARAMETER`, `v/PARAMETER`. */
export interface OptimizerState {
  /** Updates done. */
  readonly updates: number
  readonly tensors: TensorMap
}

export interface UpdateResult {
  /** L2 norm over all gradients, before clipping. */
  readonly gradientNorm: number
}

/** Elements between two breaths of the event loop: about 5 ms. */
const CHUNK = 1 << 20

function* chunks(length: number): Generator<readonly [start: number, end: number]> {
  for (let start = 0; start < length; start += CHUNK) yield [start, Math.min(length, start + CHUNK)]
}

const slots = { adam: ['m', 'v'], adamw: ['m', 'v'], momentum: ['v'] } as const

interface Rates {
  /** Schedule times the parameter's own factor. */
  readonly factor: number
  readonly change: GradientChange
}

/**
 * Updates parameters in place. Parameters whose factor is 0 are left alone and have no memory. Nothing depends on the order of the
 * maps: every parameter is updated by itself, and the norm is summed in the order of the names given at the start.
 */
export class Optimizer {
  private readonly memory = new Map<string, Float32Array>()
  private readonly names: string[]
  private updates = 0

  /**
   * @param shapes parameters that exist, by name
   * @param scales learning-rate factors by name, default 1
   */
  constructor(
    private readonly spec: OptimizerSpec,
    private readonly shapes: ReadonlyMap<string, readonly number[]>,
    private readonly scales: ReadonlyMap<string, number> = new Map(),
  ) {
    this.names = [...shapes.keys()].filter(name => (scales.get(name) ?? 1) !== 0)
    for (const name of this.names) {
      const length = shapes.get(name)!.reduce((product, size) => product * size, 1)
      for (const slot of slots[spec.kind]) this.memory.set(`${slot}/${name}`, new Float32Array(length))
    }
  }

  /** Names of the parameters that learn: what gradients are needed of. */
  get trainable(): readonly string[] {
    return this.names
  }

  get state(): OptimizerState {
    const tensors = new Map([...this.memory].map(([key, data]) => [key, { shape: this.shapes.get(key.slice(2))!, data }]))
    return { updates: this.updates, tensors }
  }

  /** Goes on from a checkpoint; its tensors are copied. @throws LayermillError `CHECKPOINT_MISMATCH`. */
  restore(state: OptimizerState): void {
    for (const [key, data] of this.memory) {
      const saved = state.tensors.get(key)
      if (saved?.data.length !== data.length) {
        throw new LayermillError('CHECKPOINT_MISMATCH', `the checkpoint's ${key} has ${saved?.data.length ?? 0} values; expected ${data.length}`)
      }
      data.set(saved.data)
    }
    this.updates = state.updates
  }

  /**
   * One update from mean gradients. `factor` is the schedule's. Lets the event loop run now and then; parameters must not be read
   * before the promise resolves.
   * @throws LayermillError `GRADIENT_MISSING`; `GRADIENT_NOT_FINITE` before anything is changed.
   */
  async update(parameters: TensorMap, gradients: TensorMap, factor = 1): Promise<UpdateResult> {
    const gradientNorm = await this.norm(gradients)
    const { clipNorm, weightDecay: decay = 0 } = this.spec
    const scale = clipNorm === undefined || gradientNorm <= clipNorm ? 1 : clipNorm / gradientNorm
    this.updates += 1
    for (const name of this.names) {
      const apply = this.rule(name, parameters, gradients, { factor: factor * (this.scales.get(name) ?? 1), change: { scale, decay } })
      for (const [start, end] of chunks(gradients.get(name)!.data.length)) {
        apply(start, end)
        if (end - start === CHUNK) await setImmediate()
      }
    }
    return { gradientNorm }
  }

  private async norm(gradients: TensorMap): Promise<number> {
    let sum = 0
    for (const name of this.names) {
      const gradient = gradients.get(name)
      const expected = this.memory.get(`v/${name}`)!.length
      if (gradient?.data.length !== expected) {
        throw new LayermillError('GRADIENT_MISSING', `the gradient of ${name} has ${gradient?.data.length ?? 0} values; expected ${expected}`)
      }
      for (const [start, end] of chunks(expected)) {
        sum += squareSum(gradient.data, start, end)
        if (end - start === CHUNK) await setImmediate()
      }
    }
    if (Number.isFinite(sum)) return Math.sqrt(sum)
    const bad = this.names.find(name => gradients.get(name)!.data.some(value => !Number.isFinite(value)))
    throw new LayermillError('GRADIENT_NOT_FINITE', `the gradient of ${bad ?? 'all parameters together'} is not a finite number`, {
      hint: 'the loss has diverged: lower the learning rate, clip the gradients or check the input',
    })
  }

  /** Updates a range of one parameter. */
  private rule(name: string, parameters: TensorMap, gradients: TensorMap, { factor, change }: Rates): (start: number, end: number) => void {
    const p = parameters.get(name)?.data
    const g = gradients.get(name)!.data
    const v = this.memory.get(`v/${name}`)!
    if (p?.length !== g.length) throw new LayermillError('WEIGHTS_MISSING_TENSOR', `no parameter ${name} of ${g.length} values`)
    if (this.spec.kind === 'momentum') {
      const { lr = 0.01, momentum = 0.9 } = this.spec
      const step = { rate: lr * factor, momentum, ...change }
      return (start, end) => momentumSgd(p, g, v, step, start, end)
    }
    const { alpha = 0.001, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, eta = 1, weight_decay_rate: rate = 0 } = this.spec
    const corrected = (alpha * Math.sqrt(1 - beta2 ** this.updates)) / (1 - beta1 ** this.updates)
    const step = { rate: eta * factor * corrected, shrink: eta * factor * rate, beta1, beta2, epsilon: eps, ...change }
    const memory = { m: this.memory.get(`m/${name}`)!, v }
    return (start, end) => adam(p, g, memory, step, start, end)
  }
}
