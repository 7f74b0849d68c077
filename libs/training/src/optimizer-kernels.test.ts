import { describe, expect, it } from 'vitest'
import { PartUpdater } from './optimizer-kernels.js'
import { OptimizerMemory } from './optimizer-memory.js'
import { applyUpdate, type AdamStep, type MomentumStep, type ParameterUpdate } from './optimizer-rules.js'
import { seededRandom } from './random.js'

const seed = 4711
const vectorLength = 1001
const adam: AdamStep = { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, shrink: 0.003, scale: 0.7 / 3, decay: 0.02 }
const momentum: MomentumStep = { rate: 0.01, momentum: 0.9, scale: 0.7 / 3, decay: 0.02 }

/** Values of all sizes, with some that are 0, too small to be normal, infinite or not a number. */
function fill(array: Float32Array, name: string, change: (value: number) => number = value => value): Float32Array {
  const random = seededRandom(seed, name)
  const odd = [0, -0, 1e-42, 3e38, Infinity, NaN]
  for (let i = 0; i < array.length; i++)
    array[i] = change(i % 97 < odd.length ? odd[i % 97]! : (random.next() - 0.5) * 10 ** (20 * random.next() - 15))
  return array
}

function updateIn(numbers: (length: number) => Float32Array, rule: 'adam' | 'momentum'): ParameterUpdate {
  const [p, v] = [fill(numbers(vectorLength), 'p'), fill(numbers(vectorLength), 'v', Math.abs)]
  const g = fill(new Float32Array(vectorLength), 'g')
  return rule === 'adam'
    ? { rule, p, g, memory: { m: fill(numbers(vectorLength), 'm'), v }, step: adam }
    : { rule, p, g, memory: { v }, step: momentum }
}

const bits = ({ p, memory }: ParameterUpdate): number[][] =>
  [p, ...Object.values<Float32Array>({ ...memory })].map(values => [...new Uint32Array(values.slice().buffer)])

describe(`the optimizer's kernels (seed ${seed})`, () => {
  it.each(['adam', 'momentum'] as const)('%s: the bits of the plain rule, in ranges of any length', rule => {
    const plain = updateIn(length => new Float32Array(length), rule)
    const memory = OptimizerMemory.of(Array<number>(4).fill(vectorLength))!
    const updater = new PartUpdater(memory, vectorLength)
    const quick = updateIn(length => memory.numbers(length), rule)
    expect(updater.byKernels(quick)).toBe(true)
    for (const [start, end] of [
      [0, 3],
      [3, 3],
      [3, 700],
      [700, vectorLength],
    ] as const) {
      applyUpdate(plain, start, end)
      updater.update(quick, start, end)
    }
    expect(bits(quick)).toEqual(bits(plain))
  })

  it('leaves what is in other memory to the plain rule', () => {
    const memory = OptimizerMemory.of([vectorLength])!
    const updater = new PartUpdater(memory, vectorLength)
    // Memory comes in pages of so many numbers: the rest of the first one.
    memory.numbers(16_384 - vectorLength - 3)
    const [elsewhere, plain] = [updateIn(length => memory.numbers(length), 'adam'), updateIn(length => new Float32Array(length), 'adam')]
    expect(updater.byKernels(elsewhere)).toBe(false)
    updater.update(elsewhere, 0, vectorLength)
    applyUpdate(plain, 0, vectorLength)
    expect(bits(elsewhere)).toEqual(bits(plain))
  })

  it('have no memory where there is more than they can address', () => {
    expect(OptimizerMemory.of(Array<number>(3).fill(2 ** 29))).toBeUndefined()
  })
})
