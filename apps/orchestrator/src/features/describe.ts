import { createHash } from 'node:crypto'
import { LayermillError } from '@layermill/core'
import { featurePath } from '@layermill/contracts'
import { mapOrdered, readCommit } from '@layermill/storage'
import type { FeatureSet } from './feature-set.js'

/** Description of a table of vectors: equal for equal vectors. */
export interface FeatureDescription {
  readonly run: string
  readonly layer: string
  /** Of one image's features; a vector holds them in C order. */
  readonly shape: readonly number[]
  readonly dtype: string
  /** The network, or a fine-tuned model's base. */
  readonly model: string
  /** SHA-256 of the weights. */
  readonly weights: string
  readonly images: number
  /** SHA-256 over the hashes of the files that hold the vectors, in their order. */
  readonly sha256: string
}

/** Commit records read at once. */
const commitsAtOnce = 16

/**
 * Describes a set's vectors by the commit records of its parts: other vectors or another order give another description.
 * @throws LayermillError `FILE_MISSING` where an update takes a part away meanwhile, and what the store throws
 */
export async function describeFeatures({ store, record, layer, place, parts }: FeatureSet): Promise<FeatureDescription> {
  const hash = createHash('sha256')
  let images = 0
  for await (const commit of mapOrdered(parts, commitsAtOnce, part => readCommit(store, part))) {
    if (commit === undefined)
      throw new LayermillError('FILE_MISSING', `${store.url}: a part was taken away by an update meanwhile`, {
        hint: 'run the command again',
      })
    const path = featurePath(place.layer, commit.part, place.format)
    hash.update(`${commit.part} ${commit.images} ${commit.files.find(file => file.path === path)?.sha256 ?? ''}\n`)
    images += commit.images
  }
  const { model, weights } = record.identity
  return { run: record.id, layer: layer.name, shape: layer.shape, dtype: layer.dtype, model, weights, images, sha256: hash.digest('hex') }
}
