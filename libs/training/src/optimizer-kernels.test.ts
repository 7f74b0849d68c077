import { describe, expect, it } from 'vitest'
import { PartUpdater } from './optimizer-kernels.js'
import { OptimizerMemory } from './optimizer-memory.js'
import { applyUpdate, type AdamStep, type MomentumStep, type ParameterUpdate } from './optimizer-rules.js'
import { seededRandom } from './random.js'

const SEED = 4711
const LENGTH = 1001
const adam: AdamStep = { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, shrink: 0.003, scale: 0.7 / 3, decay: 0.02 }
const momentum: MomentumStep = { rate: 0.01, momentum: 0.9, scale: 0.7 / 3, decay: 0.02 }

/** Values of all sizes, with some that are 0, too small to be normal, infinite or not a number. */
function fill(array: Float32Array, name: string, change: (value: number) => number = value => value): Float32Array {
  const random = seededRandom(SEED, name)
  const odd = [0, -0, 1e-42, 3e38, Infinity, NaN]
  for (let i = 0; i < array.length; i++)
    array[i] = change(i % 97 < odd.length ? odd[i % 97]! : (random.next() - 0.5) * 10 ** (20 * random.next() - 15))
  return array
}

function updateIn(numbers: (length: number) => Float32Array, rule: 'adam' | 'momentum'): ParameterUpdate {
  const [p, v] = [fill(numbers(LENGTH), 'p'), fill(numbers(LENGTH), 'v', Math.abs)]
  const g = fill(new Float32Array(LENGTH), 'g')
  return rule === 'adam'
    ? { rule, p, g, memory: { m: fill(numbers(LENGTH), 'm'), v }, step: adam }
    : { rule, p, g, memory: { v }, step: momentum }
}

const bits = ({ p, memory }: ParameterUpdate): number[][] =>
  [p, ...Object.values<Float32Array>({ ...memory })].map(values => [...new Uint32Array(values.slice().buffer)])

describe(`the optimizer's kernels (seed ${SEED})`, () => {
  it.each(['adam', 'momentum'] as const)('%s: the bits of the plain rule, in ranges of any length', rule => {
    const plain = updateIn(length => new Float32Array(length), rule)
    const memory = OptimizerMemory.of(Array<number>(4).fill(LENGTH))!
    const updater = new PartUpdater(memory, LENGTH)
    const quick = updateIn(length => memory.numbers(length), rule)
    expect(updater.byKernels(quick)).toBe(true)
    for (const [start, end] of [
      [0, 3],
      [3, 3],
      [3, 700],
      [700, LENGTH],
    ] as const) {
      applyUpdate(plain, start, end)
      updater.update(quick, start, end)
    }
    expect(bits(quick)).toEqual(bits(plain))
  })

  it('leaves what is in other memory to the plain rule', () => {
    const memory = OptimizerMemory.of([LENGTH])!
    const updater = new PartUpdater(memory, LENGTH)
    // Memory comes in pages of so many numbers: the rest of the first one.
    memory.numbers(16_384 - LENGTH - 3)
    const [elsewhere, plain] = [updateIn(length => memory.numbers(length), 'adam'), updateIn(length => new Float32Array(length), 'adam')]
    expect(updater.byKernels(elsewhere)).toBe(false)
    updater.update(elsewhere, 0, LENGTH)
    applyUpdate(plain, 0, LENGTH)
    expect(bits(elsewhere)).toEqual(bits(plain))
  })

  it('have no memory where there is more than they can address', () => {
    expect(OptimizerMemory.of(Array<number>(3).fill(2 ** 29))).toBeUndefined()
  })
})
