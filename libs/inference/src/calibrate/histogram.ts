import type { Range } from '@layermill/engines'
import type { CalibrationMethod } from '@layermill/contracts'

/** Bins on either side of zero. */
const half = 2048
/** Width of the first bins, as a power of two: anything that counts is larger. */
const firstExponent = -60
/** Share of the values that the percentile method leaves out on either side. */
const tail = 1e-4

/**
 * Counts values in bins whose width doubles where a value does not fit. Bins are joined in pairs then, so that the counts depend on the
 * values alone and not on their order. Values that are not finite do not count.
 */
export class Histogram {
  private low = Infinity
  private high = -Infinity
  private exponent = firstExponent
  private readonly counts = new Float64Array(2 * half)

  add(values: Float32Array): void {
    let { low, high } = this
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!
      if (value < low && value > -Infinity) low = value
      if (value > high && value < Infinity) high = value
    }
    if (low > high) return
    this.low = low
    this.high = high
    this.grow(Math.max(-low, high))
    const { counts } = this
    const scale = 2 ** -this.exponent
    // Values that are not finite have no such bin: nothing is written for them.
    for (let i = 0; i < values.length; i++) counts[Math.floor(values[i]! * scale) + half]!++
  }

  /** The range that values have by a method; [0, 0] where there were none. Widened by at most one bin's width. */
  range(method: CalibrationMethod): Range {
    if (this.low > this.high) return [0, 0]
    if (method === 'min-max') return [this.low, this.high]
    const left = this.counts.reduce((sum, count) => sum + count, 0) * tail
    const [first, last] = [this.edge(left, 1), this.edge(left, -1)]
    const width = 2 ** this.exponent
    return [Math.max(this.low, (first - half) * width), Math.min(this.high, (last + 1 - half) * width)]
  }

  /** The bin, from the lowest up (step 1) or the highest down (-1), before which at most `left` values lie. */
  private edge(left: number, step: 1 | -1): number {
    let bin = step === 1 ? 0 : 2 * half - 1
    for (let passed = this.counts[bin]!; passed <= left; passed += this.counts[bin]!) bin += step
    return bin
  }

  private grow(magnitude: number): void {
    while (magnitude * 2 ** -this.exponent >= half) {
      const { counts } = this
      const joined = new Float64Array(counts.length)
      for (let i = 0; i < counts.length; i++) joined[Math.floor((i - half) / 2) + half]! += counts[i]!
      counts.set(joined)
      this.exponent++
    }
  }
}
