import { LayermillError } from '@layermill/core'
import { type Random, seededRandom, shuffled } from './random.js'

export interface EpochOptions<T> {
  readonly seed: number
  /** From 0. */
  readonly epoch: number
  /** Images averaged in one update. */
  readonly batchSize: number
  /** Images in one job; the last of a batch may be smaller. */
  readonly microBatchSize: number
  /** Classes of items of which an epoch has equally many; left out: each item once. */
  readonly balanceBy?: ((item: T) => string) | undefined
}

/**
 * As many draws as there are items, equally many of each class, give or take one; inside a class all items equally often, give or take one.
 * Classes that get one more, and items that are drawn again, are others in every epoch. The order is not yet random.
 */
export function balancedDraws<T>(items: readonly T[], classOf: (item: T) => string, random: Random): T[] {
  const classes = new Map<string, T[]>()
  for (const item of items) {
    const name = classOf(item)
    const found = classes.get(name)
    if (found === undefined) classes.set(name, [item])
    else found.push(item)
  }
  const drawn: T[] = []
  for (const [place, members] of shuffled([...classes.values()], random).entries()) {
    const count = Math.floor(items.length / classes.size) + (place < items.length % classes.size ? 1 : 0)
    const end = drawn.length + count
    while (drawn.length < end) drawn.push(...shuffled(members, random).slice(0, end - drawn.length))
  }
  return drawn
}

export interface MicroBatch<T> {
  /** Position inside the step, from 0: the order in which gradients are added. */
  readonly index: number
  readonly items: readonly T[]
}

export interface Step<T> {
  /** Inside the epoch, from 0. */
  readonly index: number
  readonly samples: number
  readonly microBatches: readonly MicroBatch<T>[]
}

function slices<T>(items: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}

/**
 * The steps of an epoch: all items once, or as many draws of equally many of each class, in an order drawn from (seed, epoch), cut into batches and those into micro-batches by
 * position. The order of `items` matters: give them sorted. The last batch of an epoch may be smaller.
 * @throws LayermillError `BATCH_INVALID` for sizes below 1 or a micro-batch larger than the batch.
 */
export function planEpoch<T>(items: readonly T[], { seed, epoch, batchSize, microBatchSize, balanceBy }: EpochOptions<T>): Step<T>[] {
  if (!Number.isInteger(batchSize) || !Number.isInteger(microBatchSize) || microBatchSize < 1 || batchSize < microBatchSize) {
    throw new LayermillError(
      'BATCH_INVALID',
      `batches of ${batchSize} in micro-batches of ${microBatchSize}; expected 1 <= micro-batch <= batch`,
    )
  }
  const drawn = balanceBy === undefined ? items : balancedDraws(items, balanceBy, seededRandom(seed, 'balance', epoch))
  const order = shuffled(drawn, seededRandom(seed, 'epoch', epoch))
  return slices(order, batchSize).map((batch, index) => ({
    index,
    samples: batch.length,
    microBatches: slices(batch, microBatchSize).map((part, position) => ({ index: position, items: part })),
  }))
}

/** Steps in an epoch of so many images. */
export function stepsPerEpoch(images: number, batchSize: number): number {
  return Math.ceil(images / batchSize)
}
