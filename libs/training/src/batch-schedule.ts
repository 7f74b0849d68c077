import { planEpoch, type Step, stepsPerEpoch } from './epoch.js'

export interface BatchScheduleOptions<T> {
  readonly seed: number
  readonly batchSize: number
  readonly microBatchSize: number
  /** As `planEpoch` takes it. */
  readonly balanceBy?: ((item: T) => string) | undefined
}

/** Which images are in which step of a whole run. Keeps the epoch asked for last. */
export class BatchSchedule<T> {
  readonly stepsPerEpoch: number
  private planned: { epoch: number; steps: Step<T>[] } | undefined

  /** The order of `items` matters: give them sorted. */
  constructor(
    private readonly items: readonly T[],
    private readonly options: BatchScheduleOptions<T>,
  ) {
    this.stepsPerEpoch = stepsPerEpoch(items.length, options.batchSize)
  }

  /** A step of the run, from 0, and the epoch that it is in. */
  step(index: number): { epoch: number; step: Step<T> } {
    const epoch = Math.floor(index / this.stepsPerEpoch)
    if (this.planned?.epoch !== epoch) this.planned = { epoch, steps: planEpoch(this.items, { ...this.options, epoch }) }
    return { epoch, step: this.planned.steps[index % this.stepsPerEpoch]! }
  }
}

/** Items in the pieces that they are scored in: by position. */
export function evaluationPieces<T>(items: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}
