/**
 * The update rules over one range of one parameter, in double precision between float32 loads and stores: the same bits on every
 * machine. `scale` multiplies the gradient on its way in (mean and clipping), `decay` times the parameter is added to it (weight decay).
 */

/** Scale of a gradient and weight decay, which change from step to step. */
export interface GradientChange {
  readonly scale: number
  readonly decay: number
}

export interface AdamStep extends GradientChange {
  /** alpha * sqrt(1 - beta2^t) / (1 - beta1^t) * eta: the size of a step. */
  readonly rate: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** eta * weight_decay_rate: what share of the parameter goes, beside the gradient's step. */
  readonly shrink: number
}

export interface AdamMemory {
  readonly m: Float32Array
  readonly v: Float32Array
}

/** Chainer's Adam: m += (1-b1)(g-m); v += (1-b2)(g^2-v); p -= eta (alpha_t m / (sqrt(v) + eps) + weight_decay_rate p). */
export function adam(p: Float32Array, g: Float32Array, { m, v }: AdamMemory, step: AdamStep, start: number, end: number): void {
  const { rate, epsilon, shrink, scale, decay } = step
  const mix1 = 1 - step.beta1
  const mix2 = 1 - step.beta2
  for (let i = start; i < end; i++) {
    const value = p[i]!
    const gradient = g[i]! * scale + decay * value
    const first = m[i]! + mix1 * (gradient - m[i]!)
    const second = v[i]! + mix2 * (gradient * gradient - v[i]!)
    m[i] = first
    v[i] = second
    p[i] = value - (rate * first) / (Math.sqrt(second) + epsilon) - shrink * value
  }
}

export interface MomentumStep extends GradientChange {
  readonly rate: number
  readonly momentum: number
}

/** Chainer's MomentumSGD: v = momentum v - lr g; p += v. */
export function momentumSgd(p: Float32Array, g: Float32Array, v: Float32Array, step: MomentumStep, start: number, end: number): void {
  const { rate, momentum, scale, decay } = step
  for (let i = start; i < end; i++) {
    const value = p[i]!
    const velocity = momentum * v[i]! - rate * (g[i]! * scale + decay * value)
    v[i] = velocity
    p[i] = value + velocity
  }
}

/**
 * Sum of squares of a range in double precision: of every fourth element from left to right, since a single sum would wait for itself, then
 * of these four sums.
 */
export function sumSquares(values: Float32Array, start: number, end: number): number {
  let first = 0
  let second = 0
  let third = 0
  let fourth = 0
  let i = start
  for (; i + 3 < end; i += 4) {
    first += values[i]! * values[i]!
    second += values[i + 1]! * values[i + 1]!
    third += values[i + 2]! * values[i + 2]!
    fourth += values[i + 3]! * values[i + 3]!
  }
  for (; i < end; i++) first += values[i]! * values[i]!
  return first + second + (third + fourth)
}

/** One parameter's update: parameter `p`, gradient `g`, the optimizer's memory and the rule. Plain data: a thread can be sent it. */
export type ParameterUpdate = { readonly p: Float32Array; readonly g: Float32Array } & (
  | { readonly rule: 'adam'; readonly memory: AdamMemory; readonly step: AdamStep }
  | { readonly rule: 'momentum'; readonly memory: { readonly v: Float32Array }; readonly step: MomentumStep }
)

/** Updates a range of `p` and of the memory in place. */
export function applyUpdate(update: ParameterUpdate, start: number, end: number): void {
  if (update.rule === 'adam') adam(update.p, update.g, update.memory, update.step, start, end)
  else momentumSgd(update.p, update.g, update.memory.v, update.step, start, end)
}

/** One range of an update, as views of its arrays. */
export function partOf(update: ParameterUpdate, start: number, end: number): ParameterUpdate {
  const p = update.p.subarray(start, end)
  const g = update.g.subarray(start, end)
  const v = update.memory.v.subarray(start, end)
  return update.rule === 'adam'
    ? { ...update, p, g, memory: { m: update.memory.m.subarray(start, end), v } }
    : { ...update, p, g, memory: { v } }
}
