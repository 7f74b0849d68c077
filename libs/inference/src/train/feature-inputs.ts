import { elementCount, LayermillError, type Tensor } from '@layermill/core'
import { featurePath, partOfPath, type TrainingPlan } from '@layermill/contracts'
import { type ManifestRow, openRanges, parseIndex, readFeatureRows, type Store } from '@layermill/storage'
import { augmentEpoch, type InputRequest, type Inputs } from './image-inputs.js'

/** Place of an image's row. */
interface Place {
  readonly part: number
  readonly row: number
}

/** Values of one layer for the images of one extraction run, by key. Rows that were read stay in memory while there is room. */
class StoredFeatures {
  private places: Promise<ReadonlyMap<string, Place>> | undefined
  private readonly rows = new Map<string, Float32Array>()

  constructor(
    private readonly store: Store,
    private readonly layer: string,
    private readonly shape: readonly number[],
    private readonly room: Room,
  ) {}

  async copyRow(key: string, target: Float32Array, offset: number): Promise<void> {
    const known = this.rows.get(key)
    target.set(known ?? (await this.readRow(key)), offset)
  }

  async close(): Promise<void> {
    this.rows.clear()
    await this.store.close()
  }

  private async readRow(key: string): Promise<Float32Array> {
    this.places ??= this.readIndex()
    const place = (await this.places).get(key)
    if (place === undefined) throw new LayermillError('FEATURES_MISSING', `${this.store.url} has no values of ${this.layer} for ${key}`)
    const file = await openRanges(this.store, featurePath(this.layer, place.part, 'npy'))
    const { data } = await readFeatureRows('npy', file, this.layer, { start: place.row, end: place.row + 1 })
    if (data.length !== elementCount(this.shape)) {
      throw new LayermillError(
        'ROW_INVALID',
        `${this.store.url}: ${this.layer} of ${key} has ${data.length} values, expected ${elementCount(this.shape)}`,
      )
    }
    if (this.room.take(data.byteLength)) this.rows.set(key, data.slice())
    return data
  }

  private async readIndex(): Promise<ReadonlyMap<string, Place>> {
    const places = new Map<string, Place>()
    for await (const { key: path } of this.store.list('index/')) {
      if (partOfPath(path) === undefined) continue
      const bytes = await this.store.get(path)
      for (const { key, part, row } of await parseIndex(bytes!, `${this.store.url}/${path}`)) places.set(key, { part, row })
    }
    return places
  }
}

/** Bytes that may still be kept. */
class Room {
  constructor(private bytes: number) {}

  take(bytes: number): boolean {
    if (bytes > this.bytes) return false
    this.bytes -= bytes
    return true
  }
}

export interface FeatureInputsOptions {
  readonly plan: TrainingPlan
  /** Of one image. */
  readonly shape: readonly number[]
  /** Stores of the extraction runs: of the training images (one for each augmented copy), and of the held-out ones. */
  readonly training: readonly Store[]
  readonly validation: Store
  /** Bytes of rows that may stay in memory. */
  readonly memory: number
}

/** Stored values of the layer that a frozen base ends in. */
export class FeatureInputs implements Inputs {
  private readonly training: readonly StoredFeatures[]
  private readonly validation: StoredFeatures

  constructor(private readonly options: FeatureInputsOptions) {
    const { plan, shape, training, validation, memory } = options
    const room = new Room(memory)
    const stored = (store: Store): StoredFeatures => new StoredFeatures(store, plan.features!, shape, room)
    this.training = training.map(stored)
    this.validation = stored(validation)
  }

  async read({ rows, side, epoch }: InputRequest): Promise<Tensor> {
    const { plan, shape } = this.options
    const size = elementCount(shape)
    const data = new Float32Array(rows.length * size)
    const features = side === 'validation' ? this.validation : this.training[augmentEpoch(plan, epoch) % this.training.length]!
    await Promise.all(rows.map(({ key }: ManifestRow, i) => features.copyRow(key, data, i * size)))
    return { shape: [rows.length, ...shape], data }
  }

  async close(): Promise<void> {
    await Promise.all([...this.training, this.validation].map(features => features.close()))
  }
}
