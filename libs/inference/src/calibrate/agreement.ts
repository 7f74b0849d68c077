import type { CalibrationReport } from '@layermill/contracts'
import type { Activation } from '../part/compute-rows.js'
import { cosine } from '../part/cosine.js'

function largest(values: Float32Array): number {
  let index = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[index]!) index = i
  return index
}

/** MLPerf's measures of what int8 may lose: on labelled images 1% of float32's top-1, without labels the cosine. */
const smallestShare = 0.99
export const leastCosine = 0.99
/** Share of the labelled images that float32 has to recognise: below, the labels mean something else than the network's classes. */
const leastRecognised = 0.5

type Labelled = NonNullable<CalibrationReport['labelled']>

/** Whether int8 recognises as many images as MLPerf asks for. */
export const keepsClasses = ({ fp32, int8 }: Labelled): boolean => int8 >= smallestShare * fp32

/** Collects how far two computations of the same images agree. */
export class Agreement {
  images = 0
  private same = 0
  private labelled = 0
  private readonly recognised = { fp32: 0, int8: 0 }
  private readonly sums = new Map<string, number>()
  private readonly smallest = new Map<string, number>()

  /** @param classifier the layer whose largest value is the class; undefined where it is not computed */
  constructor(
    private readonly layers: readonly string[],
    private readonly classifier: string | undefined,
  ) {}

  /**
   * One image.
   * @param label the number of its class, where that is known
   */
  add(exact: ReadonlyMap<string, Activation>, other: ReadonlyMap<string, Activation>, label?: number): void {
    this.images++
    for (const layer of this.layers) {
      const value = cosine(exact.get(layer)!.data, other.get(layer)!.data)
      this.sums.set(layer, (this.sums.get(layer) ?? 0) + value)
      this.smallest.set(layer, Math.min(this.smallest.get(layer) ?? Infinity, value))
    }
    if (this.classifier === undefined) return
    const fp32 = largest(exact.get(this.classifier)!.data)
    const int8 = largest(other.get(this.classifier)!.data)
    if (fp32 === int8) this.same++
    if (label === undefined) return
    this.labelled++
    if (fp32 === label) this.recognised.fp32++
    if (int8 === label) this.recognised.int8++
  }

  /** The labels' word on int8; undefined where no image has one. */
  private get byLabels(): Labelled | undefined {
    if (this.labelled === 0) return undefined
    const [fp32, int8] = [this.recognised.fp32 / this.labelled, this.recognised.int8 / this.labelled]
    return { images: this.labelled, fp32, int8, decides: fp32 >= leastRecognised }
  }

  /**
   * Layers whose numbers are too far off. For the classes' probabilities or scores the labels decide where there are some that float32
   * recognises: int8 has to recognise 99% as many. For all else, and without labels, an image's cosine below 0.99 is too far; for the scores
   * so is another likeliest class for more than one image in a hundred.
   */
  below(scores: ReadonlySet<string>): string[] {
    const { top1 = 1, labelled } = this.report
    const isFar = (layer: string): boolean => !(this.smallest.get(layer)! >= leastCosine)
    const losesClasses = labelled?.decides === true ? !keepsClasses(labelled) : top1 < smallestShare
    return this.layers.filter(layer => {
      if (!scores.has(layer)) return isFar(layer)
      return losesClasses || (labelled?.decides !== true && isFar(layer))
    })
  }

  get report(): Pick<CalibrationReport, 'compared' | 'cosine' | 'top1' | 'labelled'> {
    const layers = this.layers.map(
      layer => [layer, { mean: this.sums.get(layer)! / this.images, smallest: this.smallest.get(layer)! }] as const,
    )
    const { byLabels } = this
    return {
      compared: this.images,
      cosine: Object.fromEntries(layers),
      ...(this.classifier === undefined ? {} : { top1: this.same / this.images }),
      ...(byLabels === undefined ? {} : { labelled: byLabels }),
    }
  }
}
