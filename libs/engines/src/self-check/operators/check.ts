import { errorMessage } from '@layermill/core'
import type { Engine } from '../../engine.js'
import { type Case, cases } from './cases.js'
import { computeReference } from './reference.js'
import { tinyImages, tinyNetwork, tinyWeights } from './tiny.js'

/** Largest difference from the float64 reference that is float rounding, in units of the layer's largest value. */
export const operatorTolerance = 1e-5

/** One group of operators on a device. */
export interface OperatorCheck {
  readonly name: string
  /** Largest difference from the reference, in units of the layer's largest value; infinite where nothing was computed. */
  readonly difference: number
  readonly passed: boolean
  /** Reason why nothing was computed. */
  readonly error?: string
}

/** Largest difference of a case at all its sizes, two images each. */
async function differenceOf(engine: Engine, { nodes, layers, sizes }: Case): Promise<number> {
  const network = tinyNetwork(nodes, sizes[0]!)
  const weights = tinyWeights(network)
  const names = layers ?? nodes.map(({ name }) => name)
  const extractor = await engine.extractor(network, weights, names)
  let largestDifference = 0
  try {
    for (const size of sizes) {
      const images = tinyImages(2, size)
      const expected = computeReference(network.nodes, weights, { shape: images.shape, data: Float64Array.from(images.data) })
      const actual = await extractor.run(images)
      for (const name of names) {
        const { data } = expected.get(name)!
        const computed = actual.get(name)?.data
        if (computed?.length !== data.length) throw new Error(`${name} has ${computed?.length ?? 'no'} values, expected ${data.length}`)
        const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30)
        for (const [i, value] of data.entries()) {
          const difference = Math.abs(computed[i]! - value) / largest
          // A value that is no number passes no comparison.
          if (!(difference <= largestDifference)) largestDifference = Number.isNaN(difference) ? Infinity : difference
        }
      }
    }
  } finally {
    await extractor.release()
  }
  return largestDifference
}

/**
 * Computes every operator on this very engine, alone and as engines combine them, and compares with float64 loops.
 *
 * @param report told of each group as it is done
 * @returns one entry for each group; none throws
 */
export async function checkOperators(engine: Engine, report: (check: OperatorCheck) => void = () => {}): Promise<OperatorCheck[]> {
  const checks: OperatorCheck[] = []
  for (const one of cases) {
    let check: OperatorCheck
    try {
      const difference = await differenceOf(engine, one)
      check = { name: one.name, difference, passed: difference <= operatorTolerance }
    } catch (error) {
      check = { name: one.name, difference: Infinity, passed: false, error: errorMessage(error) }
    }
    checks.push(check)
    report(check)
  }
  return checks
}
