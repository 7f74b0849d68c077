import { addArrays, inChunks, LayermillError, type Tensor, type TensorMap } from '@layermill/core'

function scaleRange(target: Float32Array, divisor: number, start: number, end: number): void {
  for (let i = start; i < end; i++) target[i]! /= divisor
}

/**
 * Adds the micro-batches' summed gradients of one step, in the order of their indices, in float32: addition is not associative, so the
 * order is what makes the result the same for any fleet. Whoever computes micro-batches may finish in any order; whoever adds waits.
 */
export class GradientSum {
  private sums = new Map<string, Tensor>()
  private next = 0
  private samples = 0
  private loss = 0
  private correct = 0

  /** The index to be added next. */
  get nextIndex(): number {
    return this.next
  }

  /**
   * Adds the next micro-batch. The first one's arrays are taken over, not copied.
   * @throws LayermillError `GRADIENT_ORDER` for any index but the next; `GRADIENT_MISSING` for other names or sizes than the first had.
   */
  async add(index: number, part: { gradients: TensorMap; samples: number; loss: number; correct: number }): Promise<void> {
    if (index !== this.next) throw new LayermillError('GRADIENT_ORDER', `micro-batch ${index} came where ${this.next} is next`)
    if (index > 0) this.checkSame(part.gradients)
    this.next += 1
    this.samples += part.samples
    this.loss += part.loss
    this.correct += part.correct
    if (index === 0) {
      this.sums = new Map(part.gradients)
      return
    }
    const names = [...this.sums.keys()]
    await addArrays(
      names.map(name => this.sums.get(name)!.data),
      names.map(name => part.gradients.get(name)!.data),
    )
  }

  private checkSame(gradients: TensorMap): void {
    const wrong = [...this.sums].find(([name, sum]) => gradients.get(name)?.data.length !== sum.data.length)
    if (wrong === undefined && gradients.size === this.sums.size) return
    throw new LayermillError(
      'GRADIENT_MISSING',
      `micro-batch ${this.next} has other gradients than the first${wrong === undefined ? '' : `: ${wrong[0]}`}`,
    )
  }

  /** Summed gradients, mean loss and the share of correct ones. The arrays are handed over: nothing can be added any more. */
  total(): { gradients: TensorMap; samples: number; loss: number; accuracy: number } {
    if (this.samples === 0) throw new LayermillError('GRADIENT_MISSING', 'no micro-batch was added')
    const { samples, sums } = this
    this.sums = new Map()
    return { gradients: sums, samples, loss: this.loss / samples, accuracy: this.correct / samples }
  }

  /**
   * As `total`, with the gradients divided by the number of samples, in place. What only updates parameters leaves that to the optimizer.
   */
  async mean(): Promise<{ gradients: TensorMap; samples: number; loss: number; accuracy: number }> {
    const total = this.total()
    const arrays = [...total.gradients.values()].map(({ data }) => data)
    await inChunks(
      arrays.map(({ length }) => length),
      (index, start, end) => scaleRange(arrays[index]!, total.samples, start, end),
    )
    return total
  }
}

/** Mean and (unbiased) variance over a micro-batch. */
export interface BatchStatistics {
  readonly mean: Float32Array
  readonly variance: Float32Array
}

/**
 * Moves running statistics in place, as Chainer does: running = decay * running + (1 - decay) * batch. Micro-batches must come in the
 * order of their indices.
 */
export function updateRunningStatistics(mean: Float32Array, variance: Float32Array, batch: BatchStatistics, decay: number): void {
  for (let i = 0; i < mean.length; i++) {
    mean[i] = decay * mean[i]! + (1 - decay) * batch.mean[i]!
    variance[i] = decay * variance[i]! + (1 - decay) * batch.variance[i]!
  }
}
