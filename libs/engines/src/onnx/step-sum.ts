import { addArrays, type Tensor } from '@layermill/core'
import type { Slice } from './slices.js'
import type { StepResult } from './trainer-protocol.js'

/** Puts the results of a batch's slices together, in the order of the slices. */
export class StepSum {
  private lossSum = 0
  private correctSum = 0
  private readonly scores: Float32Array
  private sums: readonly Tensor[] | undefined

  /**
   * @param count images of the batch
   * @param classes scores of each
   */
  constructor(
    private readonly count: number,
    private readonly classes: number,
  ) {
    this.scores = new Float32Array(count * classes)
  }

  get loss(): number {
    return this.lossSum
  }

  get correct(): number {
    return this.correctSum
  }

  get logits(): Tensor {
    return { shape: [this.count, this.classes], data: this.scores }
  }

  /** Sums of the tensors that came after the scores. */
  get tensors(): readonly Tensor[] {
    return this.sums ?? []
  }

  /**
   * Adds the next slice in float32. The first one's tensors are taken over.
   * @returns memory that is not needed any more
   */
  async add({ loss, correct, tensors: [scores, ...tensors] }: StepResult, { start }: Slice): Promise<Float32Array[] | undefined> {
    this.lossSum += loss
    this.correctSum += correct
    this.scores.set(scores!.data, start * this.classes)
    if (this.sums === undefined) {
      this.sums = tensors
      return undefined
    }
    const values = tensors.map(({ data }) => data)
    await addArrays(
      this.sums.map(({ data }) => data),
      values,
    )
    return values
  }
}
