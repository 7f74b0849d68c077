import { createHash } from 'node:crypto'
import {
  type AuditComponents,
  auditComponentCount,
  matrix,
  type NeighbourOptions,
  type Neighbours,
  rowBlocks,
  type RowSource,
  updatedNeighbours,
} from '@layermill/analysis'
import { readSafetensors, safetensorsHeader, type SafetensorsItem, safetensorsText } from '@layermill/core'
import { decodeFit, encodeFit } from '@layermill/inference'
import type { PictureQuality } from '@layermill/preprocess'
import type { Store } from '@layermill/storage'
import type { AuditedImages, AuditOptions, NeighbourKeeper } from './findings.js'

/** Folder in an audit's own that keeps what its update goes on from. */
const folder = 'kept'
/** Share of rows that may be new or gone since the components were fitted, and for neighbours to be updated: more are found anew. */
const mostChanged = 0.2
/** Bytes of the hash that tells a row. */
const idBytes = 16
const format = '1'

const dtypes = { U8: Uint8Array, U32: Uint32Array, F32: Float32Array, F64: Float64Array }
type Numbers = Uint8Array | Uint32Array | Float32Array | Float64Array
const dtypeOf = (data: Numbers): string => Object.entries(dtypes).find(([, kind]) => data instanceof kind)![0]

/** A file of an earlier audit whose rows are told by their hashes. */
interface Kept {
  readonly metadata: Readonly<Record<string, string>>
  /** Of each row now its place in the file, -1 where it has none. */
  readonly before: Int32Array
  /** Rows now that it does not have, and rows of it that are gone. */
  readonly fresh: number
  readonly gone: number
  numbers(name: string): Numbers
}

type Watch = Pick<AuditOptions, 'signal' | 'onProgress'>

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A hash for each row of its key, its file and its features: what of an earlier audit is of a row with another one is not used. */
async function idsOf({ source, keys, sha256 }: AuditedImages, layer: string, { signal, onProgress }: Watch): Promise<Uint8Array> {
  const ids = new Uint8Array(source.rows * idBytes)
  for await (const { start, count, values } of rowBlocks(source)) {
    signal.throwIfAborted()
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength)
    for (let i = 0; i < count; i++) {
      const row = start + i
      const hash = createHash('sha256').update(JSON.stringify([layer, keys[row], sha256[row]]))
      hash.update(bytes.subarray(8 * i * source.columns, 8 * (i + 1) * source.columns))
      ids.set(hash.digest().subarray(0, idBytes), row * idBytes)
    }
    onProgress('images of the last audit', start + count, source.rows)
  }
  return ids
}

/** Keeps components, neighbours and measures beside an audit's findings, so that the next one compares new images alone with all. */
export class KeptAudit implements NeighbourKeeper {
  private components: { readonly file: Uint8Array; readonly changed: number } | undefined
  /** Read with the components, which are told by it. */
  private far: Kept | undefined
  /** Rows that are new, and rows that are gone; none where nothing was kept that could be used. */
  change: { readonly fresh: number; readonly gone: number } | undefined

  private constructor(
    private readonly store: Store,
    private readonly ids: Uint8Array,
    private readonly rows: number,
  ) {}

  static async open(store: Store, images: AuditedImages, layer: string, watch: Watch): Promise<KeptAudit> {
    return new KeptAudit(store, await idsOf(images, layer, watch), images.source.rows)
  }

  /** The components of the earlier audit, where few rows have changed since they were fitted; else new ones. */
  async componentsFor(source: RowSource, fit: () => Promise<AuditComponents>): Promise<AuditComponents> {
    const path = `${folder}/components.safetensors`
    const [file, kept] = [await this.store.get(path), (this.far = await this.read('far'))]
    if (file !== undefined && kept?.metadata['components'] === hashOf(file)) {
      const changed = Number(kept.metadata['changed']) + kept.fresh + kept.gone
      const found = componentsOf(file)
      if (changed <= mostChanged * this.rows && found?.components.columns === source.columns) {
        this.components = { file, changed }
        return found
      }
    }
    const fitted = await fit()
    const { mean, components, explainedVariance } = fitted
    const rule = `pca:${auditComponentCount}`
    const written = encodeFit({ rule, mean, components: components.data, explainedVariance, totalVariance: 0, sample: [] })
    this.components = { file: written, changed: 0 }
    await this.store.put(path, written)
    return fitted
  }

  /** Neighbours from the earlier audit's, with what has changed, or found anew; they are kept for the next one. */
  async neighboursFor<Found extends Neighbours>(
    name: 'near' | 'far',
    source: RowSource,
    options: NeighbourOptions,
    find: () => Promise<Found>,
  ): Promise<Found | Neighbours> {
    const components = name === 'far' ? hashOf(this.components!.file) : ''
    const kept = name === 'far' ? this.far : await this.read(name)
    this.far = undefined
    const isUsed = kept?.metadata['components'] === components && kept.fresh + kept.gone <= mostChanged * this.rows
    const earlier = isUsed ? neighboursOf(kept, Math.min(options.count, source.rows - 1)) : undefined
    if (name === 'near') this.change = earlier && { fresh: kept!.fresh, gone: kept!.gone }
    const found = earlier === undefined ? await find() : await updatedNeighbours(source, earlier, kept!.before, options)
    await this.write(name, { components, changed: String(this.components?.changed ?? 0) }, [
      ['places', found.places, found.count],
      ['distances', found.distances, found.count],
    ])
    return found
  }

  /** Measures of pictures that the earlier audit read, and of the others anew. */
  async qualitiesFor(
    measure: (rows: readonly number[]) => Promise<(PictureQuality | undefined)[]>,
  ): Promise<(PictureQuality | undefined)[]> {
    const kept = await this.read('pictures')
    const [brightness, sharpness] = [kept?.numbers('brightness'), kept?.numbers('sharpness')]
    const isKnown = (row: number): boolean => (kept?.before[row] ?? -1) >= 0 && !Number.isNaN(brightness?.[kept!.before[row]!] ?? NaN)
    const all = Array.from({ length: this.rows }, (_, row): PictureQuality | undefined =>
      isKnown(row) ? { brightness: brightness![kept!.before[row]!]!, sharpness: sharpness![kept!.before[row]!]! } : undefined,
    )
    const rows = Array.from(all.keys()).filter(row => all[row] === undefined)
    for (const [i, quality] of (await measure(rows)).entries()) all[rows[i]!] = quality
    await this.write('pictures', {}, [
      ['brightness', Float64Array.from(all, quality => quality?.brightness ?? NaN), 1],
      ['sharpness', Float64Array.from(all, quality => quality?.sharpness ?? NaN), 1],
    ])
    return all
  }

  /** A file of the earlier audit; undefined where there is none, or none that can be read: it is found anew then. */
  private async read(name: string): Promise<Kept | undefined> {
    const file = await this.store.get(`${folder}/${name}.safetensors`)
    if (file === undefined) return undefined
    try {
      const { metadata, tensors } = readSafetensors(file)
      const ids = tensors.get('rows')!.data
      if (metadata['format'] !== format) return undefined
      const places = new Map<string, number>()
      const idOf = (bytes: Uint8Array, row: number): string =>
        Buffer.from(bytes.buffer, bytes.byteOffset + row * idBytes, idBytes).toString('latin1')
      for (let row = 0; row < ids.length / idBytes; row++) places.set(idOf(ids, row), row)
      const before = new Int32Array(this.rows)
      for (let row = 0; row < this.rows; row++) {
        const id = idOf(this.ids, row)
        before[row] = places.get(id) ?? -1
        // Rows that are told by the same hash are one image twice: the second one is new.
        places.delete(id)
      }
      const fresh = before.filter(place => place < 0).length
      const numbers = (tensor: string): Numbers => {
        const { dtype, data } = tensors.get(tensor)!
        return new dtypes[dtype as keyof typeof dtypes](data.buffer)
      }
      return { metadata, before, fresh, gone: ids.length / idBytes - (this.rows - fresh), numbers }
    } catch {
      return undefined
    }
  }

  private async write(
    name: string,
    metadata: Readonly<Record<string, string>>,
    tensors: readonly (readonly [string, Numbers, number])[],
  ): Promise<void> {
    const all = [['rows', this.ids, idBytes] as const, ...tensors]
    const items = all.map(([tensor, data, columns]): SafetensorsItem => {
      return { name: tensor, dtype: dtypeOf(data), shape: [this.rows, columns], bytes: data.byteLength }
    })
    const header = safetensorsHeader(safetensorsText(items, { format, ...metadata }), 8)
    await this.store.putStream(
      `${folder}/${name}.safetensors`,
      (async function* () {
        yield header
        for (const [, data] of all) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      })(),
    )
  }
}

/** Neighbours in a file; undefined where they are not so many a row, or name rows that it does not have. */
function neighboursOf(kept: Kept, count: number): Neighbours | undefined {
  const [places, distances] = [kept.numbers('places'), kept.numbers('distances')]
  const rows = kept.numbers('rows').length / idBytes
  if (!(places instanceof Uint32Array) || distances instanceof Uint8Array || distances instanceof Uint32Array) return undefined
  if (places.length !== rows * count || distances.length !== places.length || places.some(place => place >= rows)) return undefined
  return { count, places, distances }
}

/** The components in a file; undefined where it is damaged. */
function componentsOf(file: Uint8Array): AuditComponents | undefined {
  try {
    const { mean, components, explainedVariance } = decodeFit(file, folder)
    const rows = explainedVariance.length
    if (rows > auditComponentCount || components.length !== rows * mean.length) return undefined
    return { mean, components: matrix(rows, mean.length, components), explainedVariance }
  } catch {
    return undefined
  }
}
