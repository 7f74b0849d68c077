import { createHash } from 'node:crypto'
import { bytesOf, type FeatureDtype } from '../features/types.js'
import { readValues, writeValues } from '../features/values.js'
import { mapOrdered } from '../prefetch.js'
import type { Store } from '../store.js'
import { type CacheRoom, segmentsFolder } from './cache-room.js'
import type { RecentBlocks } from './recent-blocks.js'
import {
  blockRange,
  encodeSegment,
  headerBytes,
  parseBlock,
  parseHeader,
  rowsOfHeader,
  type SegmentHeader,
  type SegmentRow,
} from './segment.js'
import { type KnownSegment, SegmentIndex } from './segment-index.js'

/** Bytes of a segment that are read first. They hold the whole header of one of 512 images, and more. */
const firstRead = 32 * 1024
/** Headers read at once. */
const headersAtOnce = 16
/** Milliseconds between two looks for segments of others. */
const refreshInterval = 5000
/** Values gathered before a segment is written. */
const segmentAim = 16 * 1024 * 1024

export type Block = (row: number) => SegmentRow

/** One image's values, and the picture's size in pixels. */
export interface CachedValues {
  readonly width: number
  readonly height: number
  readonly values: Float32Array
}

/** Access to a cache, shared by all its computations. */
export interface CacheAccess {
  readonly store: Store
  readonly room: CacheRoom
  readonly blocks: RecentBlocks<Block>
  /** Does what the cache is asked for, unless it has failed before; a failure is told once. */
  reading<Value>(action: () => Promise<Value>, otherwise: Value): Promise<Value>
  /** As `reading`, one action after the other. */
  writing(action: () => Promise<void>): Promise<void>
}

/** The values of one computation in a cache, by the image's id. Nothing here throws: a cache that fails is empty and takes nothing. */
export class ComputationCache {
  private readonly index = new SegmentIndex()
  private readonly computation: Uint8Array
  private readonly prefix: string
  private refreshed: { readonly at: number; readonly done: Promise<void> } | undefined

  /** @param description what is computed: the same text, the same numbers */
  constructor(
    private readonly access: CacheAccess,
    description: string,
    private readonly dtype: FeatureDtype,
  ) {
    this.computation = createHash('sha256').update(description).digest()
    this.prefix = `${segmentsFolder}${Buffer.from(this.computation).toString('hex').slice(0, 32)}/`
  }

  /** Looks for segments that others have written, unless that was just done. */
  async refresh(): Promise<void> {
    const at = performance.now()
    if (this.refreshed === undefined || at - this.refreshed.at > refreshInterval) {
      this.refreshed = { at, done: this.access.reading(() => this.list(), undefined) }
    }
    await this.refreshed.done
  }

  has(id: Uint8Array): boolean {
    return this.index.find(id) !== undefined
  }

  /** An image's values, a view of what is shared with others; undefined where the cache has none. */
  async find(id: Uint8Array): Promise<CachedValues | undefined> {
    const place = this.index.find(id)
    if (place === undefined) return undefined
    const { segment, row } = place
    const block = await this.access.reading(() => this.block(segment, Math.floor(row / segment.rowsPerBlock)), undefined)
    const found = block?.(row % segment.rowsPerBlock)
    if (found === undefined || !Buffer.from(found.id).equals(id)) return undefined
    this.access.room.used(segment.key)
    return { width: found.width, height: found.height, values: readValues(found.data, this.dtype) }
  }

  /** Takes new values; what is there already is left out. */
  writer(): ComputationWriter {
    return new ComputationWriter(
      id => this.has(id),
      values => this.encode(values),
      rows => this.access.writing(() => this.write(rows)),
    )
  }

  private async list(): Promise<void> {
    const { store } = this.access
    const gone = new Set(this.index.keys)
    const added: { key: string; bytes: number }[] = []
    for await (const entry of store.list(this.prefix)) {
      if (!gone.delete(entry.key)) added.push(entry)
    }
    for (const key of gone) this.index.drop(key)
    const headers = mapOrdered(added, headersAtOnce, async ({ key, bytes }) => ({ key, header: await this.header(key, bytes) }))
    for await (const { key, header } of headers) {
      if (header === 'damaged') await this.discard(key)
      else if (header !== undefined) this.index.add(key, header)
    }
  }

  private async header(key: string, bytes: number): Promise<SegmentHeader | 'damaged' | undefined> {
    const { store } = this.access
    const first = await store.getRange(key, 0, firstRead)
    if (first === undefined) return undefined
    const wanted = headerBytes(rowsOfHeader(first) ?? 0)
    const whole = wanted <= firstRead || wanted > bytes ? first : await store.getRange(key, 0, wanted)
    if (whole === undefined) return undefined
    return parseHeader(whole, this.computation, bytes) ?? 'damaged'
  }

  private block(segment: KnownSegment, block: number): Promise<Block | undefined> {
    const { start, end } = blockRange(segment, block)
    return this.access.blocks.get(`${segment.key} ${block}`, end - start, async () => {
      const bytes = await this.access.store.getRange(segment.key, start, end)
      // Evicted by another run.
      if (bytes === undefined) this.index.drop(segment.key)
      const read = bytes === undefined ? undefined : parseBlock(bytes, segment, block)
      if (bytes !== undefined && read === undefined) await this.discard(segment.key)
      return read
    })
  }

  /** A damaged segment goes, so that another can be written under its name. */
  private async discard(key: string): Promise<void> {
    this.index.drop(key)
    await this.access.store.delete(key)
  }

  private encode(values: Float32Array): Uint8Array {
    const data = new Uint8Array(values.length * bytesOf(this.dtype))
    writeValues(values, this.dtype === 'float32' ? new Float32Array(data.buffer) : new Uint16Array(data.buffer))
    return data
  }

  private async write(rows: readonly SegmentRow[]): Promise<void> {
    const { store, room } = this.access
    const { name, bytes } = encodeSegment(this.computation, rows)
    const key = this.prefix + name
    if (this.index.hasSegment(key) || !(await room.reserve(bytes.byteLength))) return
    const first = await store.put(key, bytes, { ifAbsent: true })
    room.added(key, first ? bytes.byteLength : 0)
    const header = parseHeader(bytes, this.computation, bytes.byteLength)
    if (header !== undefined) this.index.add(key, header)
  }
}

/** Gathers one part's new values of one computation and writes them, a segment at a time. */
export class ComputationWriter {
  private rows: SegmentRow[] = []
  private bytes = 0
  private readonly ids = new Set<string>()
  private pending: Promise<void> = Promise.resolve()

  constructor(
    private readonly has: (id: Uint8Array) => boolean,
    private readonly encode: (values: Float32Array) => Uint8Array,
    private readonly write: (rows: readonly SegmentRow[]) => Promise<void>,
  ) {}

  /** Takes a copy of the values. Waits where an earlier segment is still being written. */
  async add(id: Uint8Array, width: number, height: number, values: Float32Array): Promise<void> {
    const name = Buffer.from(id).toString('latin1')
    if (this.ids.has(name) || this.has(id)) return
    this.ids.add(name)
    const data = this.encode(values)
    this.rows.push({ id, width, height, data })
    this.bytes += data.byteLength
    if (this.bytes >= segmentAim) await this.flush()
  }

  /** Writes what is left. */
  async finish(): Promise<void> {
    await this.flush()
    await this.pending
  }

  private async flush(): Promise<void> {
    const { rows } = this
    this.rows = []
    this.bytes = 0
    await this.pending
    if (rows.length > 0) this.pending = this.write(rows)
  }
}
