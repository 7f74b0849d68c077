import { elementCount, LayermillError, type Tensor } from '@layermill/core'
import { featurePath, partOfPath, type TrainingPlan } from '@layermill/contracts'
import { type ManifestRow, openRanges, parseIndex, readFeatureRows, type Store, withHead } from '@layermill/storage'
import type { FeatureStandard } from '@layermill/training'
import type { PhaseClock } from '../part/phase-clock.js'
import { augmentEpoch, type InputRequest, type Inputs } from './image-inputs.js'

/** Place of an image's row. */
interface Place {
  readonly part: number
  readonly row: number
}

/** Rows of one part's file: read as a whole, or one by one where there is no room for it. */
type PartRows = (row: number) => Promise<Float32Array> | Float32Array

/** Values of one layer for the images of one extraction run, by key. Parts stay in memory while there is room. */
class StoredFeatures {
  private places: Promise<ReadonlyMap<string, Place>> | undefined
  private readonly parts = new Map<number, Promise<PartRows>>()

  constructor(
    private readonly store: Store,
    private readonly layer: string,
    private readonly shape: readonly number[],
    private readonly room: Room,
  ) {}

  async copyRow(key: string, target: Float32Array, offset: number): Promise<void> {
    this.places ??= this.readIndex()
    const place = (await this.places).get(key)
    if (place === undefined) throw new LayermillError('FEATURES_MISSING', `${this.store.url} has no values of ${this.layer} for ${key}`)
    const values = await (await this.part(place.part))(place.row)
    if (values.length !== elementCount(this.shape)) {
      throw new LayermillError(
        'ROW_INVALID',
        `${this.store.url}: ${this.layer} of ${key} has ${values.length} values, expected ${elementCount(this.shape)}`,
      )
    }
    target.set(values, offset)
  }

  async close(): Promise<void> {
    this.parts.clear()
    await this.store.close()
  }

  /** A part's rows; its file is opened, and its header read, once. What failed is tried again. */
  private async part(part: number): Promise<PartRows> {
    const known = this.parts.get(part)
    if (known !== undefined) return known
    const opened = this.openPart(part)
    this.parts.set(part, opened)
    opened.catch(() => this.parts.delete(part))
    return opened
  }

  private async openPart(part: number): Promise<PartRows> {
    const file = await openRanges(this.store, featurePath(this.layer, part, 'npy'))
    if (!this.room.take(file.bytes)) {
      const ranges = await withHead(file)
      return async row => (await readFeatureRows('npy', ranges, this.layer, { start: row, end: row + 1 })).data
    }
    const { data, shape } = await readFeatureRows('npy', await file.range(0, file.bytes), this.layer)
    const length = elementCount(shape.slice(1))
    return row => data.subarray(row * length, (row + 1) * length)
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
  /** Every number is centred and scaled by these, where they are given. */
  readonly standard?: FeatureStandard | undefined
  /** Bytes of rows that may stay in memory. */
  readonly memory: number
  readonly clock: PhaseClock
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
    const { plan, shape, standard, clock } = this.options
    const size = elementCount(shape)
    const data = new Float32Array(rows.length * size)
    const features = side === 'validation' ? this.validation : this.training[augmentEpoch(plan, epoch) % this.training.length]!
    await clock.during('read', () => Promise.all(rows.map(({ key }: ManifestRow, i) => features.copyRow(key, data, i * size))))
    if (standard !== undefined)
      for (let at = 0; at < data.length; at++) data[at] = (data[at]! - standard.mean[at % size]!) / standard.deviation[at % size]!
    return { shape: [rows.length, ...shape], data }
  }

  async close(): Promise<void> {
    await Promise.all([...this.training, this.validation].map(features => features.close()))
  }
}
