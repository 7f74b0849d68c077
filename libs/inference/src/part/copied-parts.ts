import { type FeatureFormat, featurePath, indexPath, predictionsPath, type RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { type FeatureRows, type IndexRow, parseIndex, readFeatureRows, type Store } from '@layermill/storage'

type Place = { readonly part: number; readonly row: number }

/** Results of parts that a new part replaces, read once each. */
export class CopiedParts {
  private readonly loaded = new Map<string, Promise<unknown>>()

  constructor(
    private readonly store: Store,
    private readonly record: RunRecord,
  ) {}

  /** Entry of the index for a row. */
  async index({ part, row }: Place): Promise<IndexRow> {
    const path = indexPath(part)
    const rows = await this.once(path, async () => parseIndex(await this.read(path), path))
    return rows[row] ?? this.missing(path, row)
  }

  /** A row's values of one layer. */
  async values({ part, row }: Place, layer: string): Promise<Float32Array> {
    const format = this.record.identity.format as FeatureFormat
    const path = featurePath(layer, part, format)
    const { shape, data } = await this.once<FeatureRows>(`${path} ${layer}`, async () =>
      readFeatureRows(format, await this.read(path), layer),
    )
    const [rows = 0, ...rest] = shape
    const size = rest.reduce((product, length) => product * length, 1)
    return row < rows ? data.subarray(row * size, (row + 1) * size) : this.missing(path, row)
  }

  /** A row's line of predictions. */
  async prediction({ part, row }: Place): Promise<string> {
    const path = predictionsPath(part)
    const lines = await this.once(path, async () => new TextDecoder().decode(await this.read(path)).split('\n'))
    return lines[row] || this.missing(path, row)
  }

  private once<Value>(key: string, load: () => Promise<Value>): Promise<Value> {
    const known = this.loaded.get(key) as Promise<Value> | undefined
    if (known !== undefined) return known
    const value = load()
    this.loaded.set(key, value)
    return value
  }

  private async read(path: string): Promise<Uint8Array> {
    const bytes = await this.store.get(path)
    if (bytes !== undefined) return bytes
    throw new LayermillError('FEATURES_MISSING', `${this.store.url}/${path} is gone, but the run's manifest says its rows still hold`, {
      hint: 'run again with --overwrite',
    })
  }

  private missing(path: string, row: number): never {
    throw new LayermillError('FEATURES_INVALID', `${this.store.url}/${path} has no row ${row}`, { hint: 'run again with --overwrite' })
  }
}
