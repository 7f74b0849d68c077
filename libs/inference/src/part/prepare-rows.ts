import { cutsCentre } from './centre.js'
import { classify, errorCode, errorMessage } from '@layermill/core'
import { type ImageLimits, imageLimits, type RunRecord } from '@layermill/contracts'
import type { Network, Preparation, Size2 } from '@layermill/models'
import { pictureSize, prepareImage, type Prepared, type Resample, tenCrop } from '@layermill/preprocess'
import { bytesAhead, type ImageSource, type ManifestRow, mapOrdered, readWithin, sha256Hex } from '@layermill/storage'
import type { RunCache } from '../cache/run-cache.js'
import { augmentOptions } from '../train/image-inputs.js'
import type { PreparedRow } from './compute-rows.js'
import { OwnSizes } from './own-sizes.js'
import type { PhaseClock } from './phase-clock.js'
import { Turns } from './turns.js'

/** Makes the network's input of one image's bytes, as a run's record says. The key is what an augmentation is drawn from. */
export type Preparer = (bytes: Uint8Array, key: string) => Promise<{ prepared: Prepared; crops: number }>

/**
 * How a run prepares its images. Predictions cut the centre out of 256/224 of the size, or average ten crops, as Chainer's `predict`;
 * extraction resizes to the size. A fine-tuned network predicts from what it was trained on: the whole picture at the size.
 */
export function preparerOf(record: RunRecord, network: Network): Preparer {
  const { size, resample, autoOrient, oversample, decode, input } = record.identity.preparation
  const preparation: Preparation = input === undefined ? network.preparation : { ...input, resample: network.preparation.resample }
  const target: Size2 | 'keep' = size === 'keep' ? size : [size.height, size.width]
  const load = { resample: resample as Resample, autoOrient, decode, timeoutMs: imageLimits(record.spec).timeoutMs }
  if (oversample && target !== 'keep') {
    return async bytes => ({ prepared: await tenCrop(bytes, preparation, { ...load, size: target }), crops: 10 })
  }
  const { augment } = record.identity.preparation
  if (augment !== undefined) {
    const options = augmentOptions(augment.names)
    return async (bytes, key) => {
      const varied = { options, seed: augment.seed, key, epoch: augment.copy }
      return { prepared: await prepareImage(bytes, preparation, { ...load, size: target, augment: varied }), crops: 1 }
    }
  }
  const centerCrop = cutsCentre(record, network)
  return async bytes => ({ prepared: await prepareImage(bytes, preparation, { ...load, size: target, centerCrop }), crops: 1 })
}

/** Bytes of prepared images of their own sizes that wait for their turn. */
const mostKept = 256 * 2 ** 20

export interface RowPreparation {
  readonly prepare: Preparer
  readonly limits: ImageLimits
  /** Checks of sizes, given where images keep their own. */
  readonly ownSizes?: OwnSizes | undefined
  /** Whether so many images of a size may be in one batch; where their number was left to us, and their size to them. */
  readonly fits?: ((size: Size2, images: number) => boolean) | undefined
}

/** How a run's images are prepared, and within which limits. */
export function rowPreparation(record: RunRecord, network: Network): RowPreparation {
  const { size } = record.identity.preparation
  const ownSizes = size === 'keep' ? new OwnSizes(network, record.identity.layers) : undefined
  const fits =
    record.spec.batchSize === 'auto' && ownSizes !== undefined
      ? (own: Size2, images: number): boolean => ownSizes.fits(own, images)
      : undefined
  return { prepare: preparerOf(record, network), limits: imageLimits(record.spec), ownSizes, fits }
}

/** Prepares an image of any size once there is room for it, unless its header says that it cannot be computed. */
async function prepareWithin(
  bytes: Uint8Array,
  key: string,
  turn: number,
  options: PrepareRowsOptions & { turns: Turns },
): ReturnType<Preparer> {
  const { prepare, ownSizes, turns } = options
  if (ownSizes === undefined) return prepare(bytes, key)
  const size = pictureSize(bytes)
  if (size !== undefined) {
    ownSizes.check([size.height, size.width])
    await turns.enter(turn, 3 * size.width * size.height * Float32Array.BYTES_PER_ELEMENT)
  }
  const found = await prepare(bytes, key)
  ownSizes.check([found.prepared.inputHeight, found.prepared.inputWidth])
  return found
}

async function prepareRow(
  row: ManifestRow,
  turn: number,
  options: PrepareRowsOptions & { turns: Turns },
): Promise<PreparedRow<ManifestRow>> {
  const { source, cache, limits, clock } = options
  const during: PhaseClock['during'] = (phase, work) => (clock === undefined ? work() : clock.during(phase, work))
  if (row.from !== undefined) return { kind: 'copied', row }
  try {
    const bytes = await during('read', () => readWithin(source, row, limits.maxBytes))
    const sha256 = sha256Hex(bytes)
    const cached = await cache?.find(sha256, row.key)
    const missing = cache?.layers.filter(layer => cached?.values.has(layer) !== true)
    if (cached !== undefined && missing?.length === 0) return { kind: 'finished', row, sha256, ...cached }
    const { prepared, crops } = await during('decode', () => prepareWithin(bytes, row.key, turn, options))
    return {
      kind: 'image',
      row,
      tensor: prepared.tensor,
      crops,
      inputSize: [prepared.inputHeight, prepared.inputWidth],
      width: prepared.width,
      height: prepared.height,
      sha256,
      ...(cached === undefined || missing === undefined ? {} : { known: cached.values, layers: missing }),
    }
  } catch (error) {
    if (classify(error).scope === 'image') return { kind: 'failed', row, code: errorCode(error), reason: errorMessage(error) }
    throw error
  }
}

export interface PrepareRowsOptions extends RowPreparation {
  readonly source: ImageSource
  /** Images read and decoded at once. */
  readonly concurrency: number
  /** Cache that may hold results already. */
  readonly cache?: RunCache | undefined
  /** Told when images are read and decoded. */
  readonly clock?: PhaseClock | undefined
}

/**
 * Reads and prepares images ahead of who takes them, in order: so many of them, so many bytes of files, and of images that keep their sizes
 * so many bytes of values. An image that cannot be used is a failed row; a fault of the network or of the source is thrown, for the part to
 * be tried again.
 */
export async function* prepareRows(rows: readonly ManifestRow[], options: PrepareRowsOptions): AsyncGenerator<PreparedRow<ManifestRow>> {
  const turns = new Turns(mostKept)
  const ahead = bytesAhead(options.concurrency)
  const numbered = rows.map((row, turn) => ({ row, turn }))
  const prepared = mapOrdered(numbered, { ...ahead, weigh: ({ row }) => ahead.weigh(row) }, ({ row, turn }) =>
    prepareRow(row, turn, { ...options, turns }),
  )
  for await (const row of prepared) {
    turns.take()
    yield row
  }
}
