import { classify, type RunRecord } from '@layermill/jobs'
import { errorCode, errorMessage, isFineTuned, type Network, type Preparation, type Size2 } from '@layermill/models'
import { prepareImage, type Prepared, type Resample, tenCrop } from '@layermill/preprocess'
import { type ImageSource, type ManifestRow, mapOrdered, sha256Hex } from '@layermill/storage'
import type { RunCache } from '../cache/run-cache.js'
import { augmentOptions } from '../train/image-inputs.js'
import type { PreparedRow } from './compute-rows.js'

/** Makes the network's input of one image's bytes, as a run's record says. The key is what an augmentation is drawn from. */
export type Preparer = (bytes: Uint8Array, key: string) => Promise<{ prepared: Prepared; crops: number }>

/** Whether a run computes the centre of its images only. */
export function cutsCentre(record: RunRecord, network: Network): boolean {
  return record.spec.kind === 'predict' && record.identity.preparation.size !== 'keep' && !isFineTuned(network)
}

/**
 * How a run prepares its images. Predictions cut the centre out of 256/224 of the size, or average ten crops, as Chainer's `predict`;
 * extraction resizes to the size. A fine-tuned network predicts from what it was trained on: the whole picture at the size.
 */
export function preparerOf(record: RunRecord, network: Network): Preparer {
  const { size, resample, autoOrient, oversample, input } = record.identity.preparation
  const preparation: Preparation = { ...network.preparation, ...input }
  const target: Size2 | 'keep' = size === 'keep' ? size : [size.height, size.width]
  const load = { resample: resample as Resample, autoOrient }
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

async function prepareRow(row: ManifestRow, { source, prepare, cache }: PrepareRowsOptions): Promise<PreparedRow<ManifestRow>> {
  if (row.from !== undefined) return { kind: 'copied', row }
  try {
    const bytes = await source.read(row)
    const sha256 = sha256Hex(bytes)
    const cached = await cache?.find(sha256, row.key)
    const missing = cache?.layers.filter(layer => cached?.values.has(layer) !== true)
    if (cached !== undefined && missing?.length === 0) return { kind: 'finished', row, sha256, ...cached }
    const { prepared, crops } = await prepare(bytes, row.key)
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

export interface PrepareRowsOptions {
  readonly source: ImageSource
  readonly prepare: Preparer
  /** Images read and decoded at once. */
  readonly concurrency: number
  /** Where results may be already. */
  readonly cache?: RunCache | undefined
}

/**
 * Reads and prepares images ahead of who takes them, in order. An image that cannot be used is a failed row; a fault of the network or of
 * the source is thrown, for the part to be tried again.
 */
export function prepareRows(rows: readonly ManifestRow[], options: PrepareRowsOptions): AsyncGenerator<PreparedRow<ManifestRow>> {
  async function* stream(): AsyncGenerator<ManifestRow> {
    yield* rows
  }
  return mapOrdered(stream(), options.concurrency, row => prepareRow(row, options))
}
