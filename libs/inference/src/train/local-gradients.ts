import { fromBfloat16, type TensorMap, toBfloat16 } from '@layermill/core'
import type { TrainingPlan } from '@layermill/contracts'
import { mapOrdered } from '@layermill/storage'
import type { GradientSource, MicroBatchGradients, MicroBatchScores, PublishedParameters } from '@layermill/training'
import type { TrainingSession } from './training-session.js'

/** Micro-batches under way at once: the next is read and decoded while this one is computed. */
const ahead = 2

function rounded(tensors: TensorMap): TensorMap {
  return new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: fromBfloat16(toBfloat16(data)) }]))
}

/** Computes micro-batches in this process, rounding as the exchange would, so that the numbers are the same. */
export class LocalGradients implements GradientSource {
  private published: PublishedParameters | undefined
  private readonly spare: TensorMap[] = []

  constructor(
    private readonly session: TrainingSession,
    private readonly exchange: TrainingPlan['exchange'],
  ) {}

  async publish(published: PublishedParameters): Promise<void> {
    this.published = this.exchange === 'float32' ? published : { ...published, parameters: rounded(published.parameters) }
  }

  async *gradients(step: number, count: number, signal: AbortSignal): AsyncIterable<MicroBatchGradients> {
    const { version } = this.current()
    yield* mapOrdered(numbers(count), ahead, async micro => {
      signal.throwIfAborted()
      const ready = await this.session.prepare(step, micro)
      const result = await this.session.gradients(ready, version, async () => this.current(), this.spare.pop())
      return this.exchange === 'float32' ? result : { ...result, gradients: rounded(result.gradients) }
    })
  }

  async *evaluate(_round: number, count: number, signal: AbortSignal): AsyncIterable<MicroBatchScores> {
    const { version } = this.current()
    yield* mapOrdered(numbers(count), ahead, async piece => {
      signal.throwIfAborted()
      return this.session.evaluate(await this.session.prepareEvaluation(piece), version, async () => this.current())
    })
  }

  recycle(gradients: TensorMap): void {
    if (this.exchange === 'float32' && this.spare.length <= ahead) this.spare.push(gradients)
  }

  async close(): Promise<void> {
    await this.session.close()
  }

  private current(): PublishedParameters {
    if (this.published === undefined) throw new Error('no parameters were published')
    return this.published
  }
}

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i
}
