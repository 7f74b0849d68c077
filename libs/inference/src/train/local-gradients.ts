import { fromBfloat16, type TensorMap, toBfloat16 } from '@layermill/core'
import type { TrainingPlan, WorkerPhases } from '@layermill/contracts'
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
  private parts = 0
  private images = 0

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
      const result = await this.timed(async () => {
        const ready = await this.session.prepare(step, micro)
        return this.session.gradients(ready, version, async () => this.current(), this.spare.pop())
      })
      return this.exchange === 'float32' ? result : { ...result, gradients: rounded(result.gradients) }
    })
  }

  async *evaluate(_round: number, count: number, signal: AbortSignal): AsyncIterable<MicroBatchScores> {
    const { version } = this.current()
    yield* mapOrdered(numbers(count), ahead, async piece => {
      signal.throwIfAborted()
      return this.timed(async () => this.session.evaluate(await this.session.prepareEvaluation(piece), version, async () => this.current()))
    })
  }

  recycle(gradients: TensorMap): void {
    if (this.exchange === 'float32' && this.spare.length <= ahead) this.spare.push(gradients)
  }

  /** Busy time in the micro-batches since it was last taken. */
  takePhases(): WorkerPhases[] {
    const { parts, images } = this
    this.parts = 0
    this.images = 0
    return parts === 0 ? [] : [{ parts, images, seconds: this.session.clock.take() }]
  }

  async close(): Promise<void> {
    await this.session.close()
  }

  private async timed<Result extends { readonly samples: number }>(work: () => Promise<Result>): Promise<Result> {
    const result = await this.session.clock.during('all', work)
    this.parts++
    this.images += result.samples
    return result
  }

  private current(): PublishedParameters {
    if (this.published === undefined) throw new Error('no parameters were published')
    return this.published
  }
}

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i
}
