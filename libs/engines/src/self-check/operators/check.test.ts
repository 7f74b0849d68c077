import type { Tensor } from '@layermill/core'
import { expect, it } from 'vitest'
import type { Engine, Extractor } from '../../engine.js'
import { cases } from './cases.js'
import { checkOperators, operatorTolerance } from './check.js'
import { computeReference } from './reference.js'

/** An engine that computes by the reference, changed by `spoil`. */
function referenceEngine(spoil: (value: number, layer: string) => number): Engine {
  const extractor: Engine['extractor'] = async (network, weights, layers) =>
    ({
      run: async (images: Tensor) => {
        const values = computeReference(network.nodes, weights, { shape: images.shape, data: Float64Array.from(images.data) })
        return new Map(
          layers.map(layer => {
            const { shape, data } = values.get(layer)!
            return [layer, { shape, data: Float32Array.from(data, value => spoil(value, layer)) }]
          }),
        )
      },
      release: async () => {},
    }) as unknown as Extractor
  return { extractor } as unknown as Engine
}

it('passes an engine that computes what the operators are', async () => {
  const told: string[] = []
  const checks = await checkOperators(referenceEngine(Number), ({ name }) => void told.push(name))
  expect(checks.map(({ name, passed }) => [name, passed])).toEqual(cases.map(({ name }) => [name, true]))
  expect(told).toEqual(cases.map(({ name }) => name))
})

it('finds values that are off, that are no numbers, and that are not there', async () => {
  const off = await checkOperators(referenceEngine(value => value * (1 + 10 * operatorTolerance)))
  expect(off.every(({ passed, difference }) => !passed && difference < 1e-3)).toBe(true)
  const missing = await checkOperators(referenceEngine(() => NaN))
  expect(missing.every(({ passed, difference }) => !passed && difference === Infinity)).toBe(true)
  const failing = { extractor: () => Promise.reject(new Error('no driver')) } as unknown as Engine
  expect(await checkOperators(failing)).toContainEqual({ name: cases[0]!.name, difference: Infinity, passed: false, error: 'no driver' })
})
