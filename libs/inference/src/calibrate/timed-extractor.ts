import type { Tensor } from '@layermill/core'
import type { Extractor } from '@layermill/engines'

/** An extractor that keeps its shortest time of a batch; the first batch warms up and does not count. */
export class TimedExtractor implements AsyncDisposable {
  /** Milliseconds; Infinity before the second batch. */
  shortest = Infinity
  private runs = 0

  constructor(readonly extractor: Extractor) {}

  async run(batch: Tensor): Promise<ReadonlyMap<string, Tensor>> {
    const started = performance.now()
    const values = await this.extractor.run(batch)
    if (this.runs++ > 0) this.shortest = Math.min(this.shortest, performance.now() - started)
    return values
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.extractor.release()
  }
}
