import { createHash } from 'node:crypto'
import type { ComputationCache, ComputationWriter, FeatureCache, FeatureDtype } from '@layermill/storage'
import type { FinishedRow } from '../part/compute-rows.js'
import { type ComputationInput, computationOf } from './computation.js'

/** Cached results of an image: of all the run's layers, or of some. */
export interface CachedImage {
  /** Of the picture, in pixels. */
  readonly width: number
  readonly height: number
  /** As they are written: pooled and rounded. */
  readonly values: ReadonlyMap<string, Float32Array>
}

/** A run's layers in a cache. Nothing here throws. */
export class RunCache {
  readonly layers: readonly string[]
  private readonly computations: ReadonlyMap<string, ComputationCache>
  private readonly augmented: boolean

  constructor(
    private readonly cache: FeatureCache,
    input: ComputationInput,
  ) {
    const { layers, dtype, preparation } = input.record.identity
    this.layers = layers
    this.augmented = preparation.augment !== undefined
    this.computations = new Map(layers.map(layer => [layer, cache.computation(computationOf(input, layer), dtype as FeatureDtype)]))
  }

  /** Looks for what others have computed meanwhile. */
  async refresh(): Promise<void> {
    await Promise.all([...this.computations.values()].map(computation => computation.refresh()))
  }

  /** @param sha256 of the image's file, in hexadecimal */
  async find(sha256: string, key: string): Promise<CachedImage | undefined> {
    const id = this.idOf(sha256, key)
    const found = await Promise.all(
      [...this.computations].map(async ([layer, computation]) => ({ layer, cached: await computation.find(id) })),
    )
    const values = new Map<string, Float32Array>()
    let size: { width: number; height: number } | undefined
    for (const { layer, cached } of found) {
      if (cached === undefined) continue
      values.set(layer, cached.values)
      size = { width: cached.width, height: cached.height }
    }
    return size === undefined ? undefined : { ...size, values }
  }

  /** Keeps what a part computes. */
  writer(): RunCacheWriter {
    const writers = new Map([...this.computations].map(([layer, computation]) => [layer, computation.writer()]))
    return new RunCacheWriter(
      writers,
      (sha256, key) => this.idOf(sha256, key),
      () => this.cache.noteUses(),
    )
  }

  /** An augmentation is drawn from the image's key, so that the bytes alone do not decide the numbers. */
  private idOf(sha256: string, key: string): Uint8Array {
    const bytes = Buffer.from(sha256, 'hex')
    return this.augmented ? createHash('sha256').update(bytes).update(key).digest() : bytes
  }
}

/** Takes one part's rows. */
export class RunCacheWriter {
  constructor(
    private readonly writers: ReadonlyMap<string, ComputationWriter>,
    private readonly idOf: (sha256: string, key: string) => Uint8Array,
    private readonly noteUses: () => Promise<void>,
  ) {}

  /** @param layers those that were computed */
  async add({ row, width, height, sha256, values }: FinishedRow<{ readonly key: string }>, layers: Iterable<string>): Promise<void> {
    const id = this.idOf(sha256, row.key)
    for (const layer of layers) await this.writers.get(layer)?.add(id, width, height, values.get(layer)!)
  }

  /** Writes what is left. */
  async finish(): Promise<void> {
    for (const writer of this.writers.values()) await writer.finish()
    await this.noteUses()
  }
}
