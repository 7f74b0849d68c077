import { setImmediate } from 'node:timers/promises'
import { computeThreads, LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import { PartUpdater } from './optimizer-kernels.js'
import { OptimizerMemory, sharedNumbers } from './optimizer-memory.js'
import { applyUpdate, type GradientChange, type ParameterUpdate, sumSquares } from './optimizer-rules.js'
import { OptimizerThreads, partLength, slotCount } from './optimizer-threads.js'

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

export interface UpdateOptions {
  /** The schedule's factor of the learning rate. Default 1. */
  readonly factor?: number
  /** How many samples' gradients the given ones are the sum of. Default 1: they are the mean already. */
  readonly samples?: number
}

export interface OptimizerThreading {
  /** Threads that update parameters, the calling one among them; 1 or more. Default: one for each core, at most 4. */
  readonly threads?: number
  /** Module of the threads: a path, or a URL of code. Default: the built one. */
  readonly entry?: string | URL
}

/** Elements between two breaths of the event loop: about 5 ms. The norm's partial sums are over so many: another number, other bits. */
const chunk = 1 << 20
/** From so many values that learn on, kernels and threads are worth their start: about 10 ms of work. */
const large = 2_000_000
const mostThreads = 4

function* chunks(length: number, size: number): Generator<readonly [start: number, end: number]> {
  for (let start = 0; start < length; start += size) yield [start, Math.min(length, start + size)]
}

const slots = { adam: ['m', 'v'], adamw: ['m', 'v'], momentum: ['v'] } as const

interface Rates {
  /** Schedule times the parameter's own factor. */
  readonly factor: number
  readonly change: GradientChange
}

/**
 * Updates parameters in place. Parameters whose factor is 0 are left alone and have no memory. Nothing depends on the order of the
 * maps: every parameter is updated by itself, and the norm is summed in the order of the names given at the start. Nor does anything
 * depend on threads and kernels, which large models get: the bits are the same with any number of them, and without.
 */
export class Optimizer {
  private readonly memory = new Map<string, Float32Array>()
  private readonly names: string[]
  private readonly shared: OptimizerMemory | undefined
  private readonly updater: PartUpdater | undefined
  private readonly threads: OptimizerThreads | undefined
  private readonly isLarge: boolean
  private updates = 0

  /**
   * @param shapes parameters that exist, by name
   * @param scales learning-rate factors by name, default 1
   */
  constructor(
    private readonly spec: OptimizerSpec,
    private readonly shapes: ReadonlyMap<string, readonly number[]>,
    private readonly scales: ReadonlyMap<string, number> = new Map(),
    { threads = Math.min(mostThreads, computeThreads()), entry }: OptimizerThreading = {},
  ) {
    this.names = [...shapes.keys()].filter(name => (scales.get(name) ?? 1) !== 0)
    const lengths = new Map(this.names.map(name => [name, shapes.get(name)!.reduce((product, size) => product * size, 1)]))
    this.isLarge = [...lengths.values()].reduce((sum, length) => sum + length, 0) >= large
    if (this.isLarge) {
      // The parameters, the memory of each, and gradients of parts under way.
      const parts = Array<number>(1 + slotCount * (threads - 1)).fill(partLength)
      this.shared = OptimizerMemory.of([
        ...parts,
        ...[...lengths.values()].flatMap(length => Array<number>(1 + slots[spec.kind].length).fill(length)),
      ])
      if (this.shared !== undefined) this.updater = new PartUpdater(this.shared, partLength)
      if (threads > 1) this.threads = new OptimizerThreads(threads - 1, entry, this.updater, length => this.numbers(length))
    }
    for (const [name, length] of lengths) for (const slot of slots[spec.kind]) this.memory.set(`${slot}/${name}`, this.numbers(length))
  }

  /**
   * Copies of parameters in memory where all threads can update them: shared memory for what learns in a large model. Others are updated
   * too, by the calling thread alone.
   */
  place(parameters: TensorMap): Map<string, Tensor> {
    const learning = new Set(this.names)
    return new Map(
      [...parameters].map(([name, { shape, data }]) => {
        if (!learning.has(name)) return [name, { shape, data: data.slice() }]
        const copy = this.numbers(data.length)
        copy.set(data)
        return [name, { shape, data: copy }]
      }),
    )
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
        throw new LayermillError(
          'CHECKPOINT_MISMATCH',
          `the checkpoint's ${key} has ${saved?.data.length ?? 0} values; expected ${data.length}`,
        )
      }
      data.set(saved.data)
    }
    this.updates = state.updates
  }

  /**
   * One update from gradients, which stay as they are. Lets the event loop run now and then; parameters must not be read
   * before the promise resolves.
   * @throws LayermillError `GRADIENT_MISSING`, `WEIGHTS_MISSING_TENSOR`, `GRADIENT_NOT_FINITE` before any parameter is changed;
   * `OPTIMIZER_FAILED` where a thread ended: parameters and memory are then neither old nor new, and nothing can be updated any more
   */
  async update(parameters: TensorMap, gradients: TensorMap, { factor = 1, samples = 1 }: UpdateOptions = {}): Promise<UpdateResult> {
    await this.threads?.settled()
    const gradientNorm = (await this.norm(gradients)) / samples
    const { clipNorm, weightDecay: decay = 0 } = this.spec
    const clipping = clipNorm === undefined || gradientNorm <= clipNorm ? 1 : clipNorm / gradientNorm
    const scale = clipping / samples
    const updates = this.names.map(name => {
      const rates = { factor: factor * (this.scales.get(name) ?? 1), change: { scale, decay } }
      return this.parameterUpdate(name, parameters, gradients, rates, this.updates + 1)
    })
    this.updates += 1
    await this.apply(updates)
    return { gradientNorm }
  }

  /** Ends the threads, where there are some. */
  async close(): Promise<void> {
    await this.threads?.close()
  }

  private numbers(length: number): Float32Array {
    if (!this.isLarge) return new Float32Array(length)
    return this.shared?.numbers(length) ?? sharedNumbers(length)
  }

  private async apply(updates: readonly ParameterUpdate[]): Promise<void> {
    const size = this.isLarge ? partLength : chunk
    for (const update of updates) {
      for (const [start, end] of chunks(update.g.length, size)) {
        if (this.threads?.offer(update, start, end) === true) continue
        if (this.updater === undefined) applyUpdate(update, start, end)
        else this.updater.update(update, start, end)
        // Threads tell then that they have room again.
        if (end - start === size) await setImmediate()
      }
    }
    await this.threads?.settled()
  }

  /** Their L2 norm. */
  private async norm(gradients: TensorMap): Promise<number> {
    for (const name of this.names) {
      const found = gradients.get(name)?.data.length
      const expected = this.memory.get(`v/${name}`)!.length
      if (found === expected) continue
      throw new LayermillError('GRADIENT_MISSING', `the gradient of ${name} has ${found ?? 0} values; expected ${expected}`)
    }
    let sum = 0
    for (const name of this.names) {
      const { data } = gradients.get(name)!
      for (const [start, end] of chunks(data.length, chunk)) {
        sum += sumSquares(data, start, end)
        if (end - start === chunk) await setImmediate()
      }
    }
    if (Number.isFinite(sum)) return Math.sqrt(sum)
    const bad = this.names.find(name => gradients.get(name)!.data.some(value => !Number.isFinite(value)))
    throw new LayermillError('GRADIENT_NOT_FINITE', `the gradient of ${bad ?? 'all parameters together'} is not a finite number`, {
      hint: 'the loss has diverged: lower the learning rate, clip the gradients or check the input',
    })
  }

  /** Update number `count` of one parameter. */
  private parameterUpdate(
    name: string,
    parameters: TensorMap,
    gradients: TensorMap,
    { factor, change }: Rates,
    count: number,
  ): ParameterUpdate {
    const p = parameters.get(name)?.data
    const g = gradients.get(name)!.data
    const v = this.memory.get(`v/${name}`)!
    if (p?.length !== g.length) throw new LayermillError('WEIGHTS_MISSING_TENSOR', `no parameter ${name} of ${g.length} values`)
    if (this.spec.kind === 'momentum') {
      const { lr = 0.01, momentum = 0.9 } = this.spec
      return { rule: 'momentum', p, g, memory: { v }, step: { rate: lr * factor, momentum, ...change } }
    }
    const { alpha = 0.001, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, eta = 1, weight_decay_rate: rate = 0 } = this.spec
    const corrected = (alpha * Math.sqrt(1 - beta2 ** count)) / (1 - beta1 ** count)
    const step = { rate: eta * factor * corrected, shrink: eta * factor * rate, beta1, beta2, epsilon: eps, ...change }
    return { rule: 'adam', p, g, memory: { m: this.memory.get(`m/${name}`)!, v }, step }
  }
}
