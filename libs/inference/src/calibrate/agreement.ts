import type { CalibrationReport } from '@layermill/contracts'
import type { Activation } from '../part/compute-rows.js'
import { cosine } from '../part/cosine.js'

function largest(values: Float32Array): number {
  let index = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[index]!) index = i
  return index
}

/** MLPerf's measures of what int8 may lose: with classes 1% of them, without the cosine. */
const smallestShare = 0.99
export const leastCosine = 0.99

/** Collects how far two computations of the same images agree. */
export class Agreement {
  images = 0
  private same = 0
  private readonly sums = new Map<string, number>()
  private readonly smallest = new Map<string, number>()

  /** @param classifier the layer whose largest value is the class; undefined where it is not computed */
  constructor(
    private readonly layers: readonly string[],
    private readonly classifier: string | undefined,
  ) {}

  /** One image. */
  add(exact: ReadonlyMap<string, Activation>, other: ReadonlyMap<string, Activation>): void {
    this.images++
    for (const layer of this.layers) {
      const value = cosine(exact.get(layer)!.data, other.get(layer)!.data)
      this.sums.set(layer, (this.sums.get(layer) ?? 0) + value)
      this.smallest.set(layer, Math.min(this.smallest.get(layer) ?? Infinity, value))
    }
    if (this.classifier === undefined) return
    if (largest(exact.get(this.classifier)!.data) === largest(other.get(this.classifier)!.data)) this.same++
  }

  /**
   * Layers whose numbers are too far off: an image's cosine below 0.99, or, for the classes' probabilities or scores, another likeliest class
   * for more than one image in a hundred.
   */
  below(scores: ReadonlySet<string>): string[] {
    const { top1 = 1 } = this.report
    return this.layers.filter(layer => !(this.smallest.get(layer)! >= leastCosine) || (scores.has(layer) && top1 < smallestShare))
  }

  get report(): Pick<CalibrationReport, 'compared' | 'cosine' | 'top1'> {
    const layers = this.layers.map(
      layer => [layer, { mean: this.sums.get(layer)! / this.images, smallest: this.smallest.get(layer)! }] as const,
    )
    return {
      compared: this.images,
      cosine: Object.fromEntries(layers),
      ...(this.classifier === undefined ? {} : { top1: this.same / this.images }),
    }
  }
}
