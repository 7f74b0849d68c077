import { errorMessage, LayermillError, type Tensor } from '@layermill/core'
import type { Preparation } from '@layermill/models'
import { type AugmentOptions, prepareImage } from '@layermill/preprocess'
import { imageLimits, type TrainingPlan } from '@layermill/contracts'
import { bytesAhead, type ImageSource, type ManifestRow, mapOrdered, readWithin } from '@layermill/storage'
import type { PhaseClock } from '../part/phase-clock.js'

/** Which images a micro-batch is of, and what they are varied by. */
export interface InputRequest {
  readonly rows: readonly ManifestRow[]
  readonly side: 'training' | 'validation'
  /** Of training images. */
  readonly epoch: number
}

/** Inputs of a trainer: prepared images [N, 3, H, W], or stored values of a layer [N, ...shape]. */
export interface Inputs {
  read(request: InputRequest): Promise<Tensor>
  /** @throws LayermillError where the images cannot be reached at all from here */
  reachable?(): Promise<void>
  close(): Promise<void>
}

export interface ImageInputsOptions {
  readonly plan: TrainingPlan
  readonly preparation: Preparation
  readonly source: ImageSource
  /** Of held-out images; the same source where they are a share of it. */
  readonly validationSource: ImageSource
  /** Images read and decoded at once. */
  readonly readAhead: number
  readonly clock: PhaseClock
}

/** The number that an image's augmentation is drawn from: a copy's, where every image has a fixed number of them. */
export function augmentEpoch({ augmentCopies }: Pick<TrainingPlan, 'augmentCopies'>, epoch: number): number {
  return augmentCopies === undefined ? epoch : epoch % augmentCopies
}

export function augmentOptions(names: readonly string[]): AugmentOptions {
  return { flip: names.includes('flip'), crop: names.includes('crop'), color: names.includes('color') }
}

/** Reads, decodes and varies images. */
export class ImageInputs implements Inputs {
  constructor(private readonly options: ImageInputsOptions) {}

  async read({ rows, side, epoch }: InputRequest): Promise<Tensor> {
    const { inputSize } = this.options.plan
    const { height, width } = inputSize
    const length = 3 * height * width
    const data = new Float32Array(rows.length * length)
    async function* numbered(): AsyncGenerator<{ row: ManifestRow; offset: number }> {
      for (const [i, row] of rows.entries()) yield { row, offset: i * length }
    }
    const ahead = bytesAhead(this.options.readAhead)
    const prepared = mapOrdered(numbered(), { ...ahead, weigh: ({ row }) => ahead.weigh(row) }, ({ row, offset }) =>
      this.prepare(row, side, epoch, { data, offset }),
    )
    for await (const _done of prepared);
    return { shape: [rows.length, 3, height, width], data }
  }

  async reachable(): Promise<void> {
    const { source, validationSource } = this.options
    await source.reachable?.()
    if (validationSource !== source) await validationSource.reachable?.()
  }

  async close(): Promise<void> {
    const { source, validationSource } = this.options
    await source.close()
    if (validationSource !== source) await validationSource.close()
  }

  private async prepare(
    row: ManifestRow,
    side: InputRequest['side'],
    epoch: number,
    into: { data: Float32Array; offset: number },
  ): Promise<void> {
    const { plan, preparation, source, validationSource, clock } = this.options
    const { height, width } = plan.inputSize
    const varied = side === 'training' && plan.augment.length > 0
    const augment = varied
      ? { options: augmentOptions(plan.augment), seed: plan.seed, key: row.key, epoch: augmentEpoch(plan, epoch) }
      : undefined
    try {
      const { maxBytes, timeoutMs } = imageLimits(plan.limits ?? {})
      const from = side === 'training' ? source : validationSource
      const { resample, autoOrient } = plan
      const bytes = await clock.during('read', () => readWithin(from, row, maxBytes))
      await clock.during('decode', () =>
        prepareImage(bytes, preparation, { size: [height, width], resample, autoOrient, timeoutMs, augment, into }),
      )
    } catch (cause) {
      // It was sound when the run was planned: leaving it out now would change what every later step computes.
      if (cause instanceof LayermillError)
        throw new LayermillError(cause.code, `${row.key}: ${errorMessage(cause)}`, { cause, hint: cause.hint })
      throw cause
    }
  }
}
