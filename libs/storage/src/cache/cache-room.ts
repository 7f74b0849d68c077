import { randomBytes } from 'node:crypto'
import { mapOrdered } from '../prefetch.js'
import type { Store, StoreEntry } from '../store.js'

/** Key prefixes of the segments, and of the records of their uses. */
export const segmentsFolder = 'cache-v1/segments/'
const usesFolder = 'cache-v1/uses/'

/** Objects read or deleted at once. */
const atOnce = 16
/** Milliseconds between two records of uses. */
const flushInterval = 60_000
/** Use records that are put together into one. */
const manyUses = 200
/** Milliseconds for which the use of a segment is kept that was not listed: it may have been written since. */
const unlistedKept = 3_600_000
/** How full a cache is left when it was too full, so that not every write has to make room. */
const afterEviction = 0.9

type Uses = Map<string, number>

/** A use record: time of the last use in milliseconds since 1970, by segment. What cannot be read says nothing. */
function parseUses(bytes: Uint8Array | undefined): [string, number][] {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof value !== 'object' || value === null) return []
    return Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === 'number')
  } catch {
    return []
  }
}

function merge(uses: Uses, more: Iterable<[string, number]>): void {
  for (const [key, time] of more) uses.set(key, Math.max(time, uses.get(key) ?? 0))
}

/**
 * Keeps a cache within its limit: whoever writes looks first, and deletes the segments that were used longest ago. Several may do so at
 * the same moment: they read the same records, so that they choose the same segments, and a deletion twice is one.
 */
export class CacheRoom {
  /** Bytes of all segments when last looked at, and what was written here since. */
  private total: number | undefined
  private written = 0
  /** Uses that are not yet written down. */
  private readonly uses: Uses = new Map()
  private flushed = performance.now()
  /** Something new is among the uses: unless that is known, others take it for what was never used. */
  private fresh = false

  constructor(
    private readonly store: Store,
    private readonly limit: number,
    private readonly now: () => number = Date.now,
  ) {}

  /** Notes that a segment was read or written. */
  used(key: string): void {
    this.uses.set(key, this.now())
  }

  /**
   * Makes room. False where the bytes are more than the cache may hold.
   * @throws as the store does
   */
  async reserve(bytes: number): Promise<boolean> {
    if (bytes > this.limit) return false
    const known = this.total === undefined ? Infinity : this.total + this.written + bytes
    // Others write too: what was seen holds for a while only.
    if (known > this.limit || this.written + bytes > this.limit / 32) await this.makeRoom(bytes)
    return true
  }

  /** A segment was written into the room made for it. */
  added(key: string, bytes: number): void {
    this.written += bytes
    this.fresh = true
    this.used(key)
  }

  /** Writes the uses down that are not: new segments at once, others once in a while. */
  async flush(now = false): Promise<void> {
    if (this.uses.size === 0 || (!now && !this.fresh && performance.now() - this.flushed < flushInterval)) return
    this.flushed = performance.now()
    this.fresh = false
    const uses = [...this.uses]
    this.uses.clear()
    await this.writeUses(uses)
  }

  /** Leaves the cache within its limit: others may have written at the same time. */
  async close(): Promise<void> {
    await this.flush(true)
    if (this.written > 0) await this.makeRoom(0)
  }

  private async writeUses(uses: Iterable<[string, number]>): Promise<void> {
    const name = `${usesFolder}${String(this.now()).padStart(15, '0')}-${randomBytes(6).toString('hex')}.json`
    await this.store.put(name, `${JSON.stringify(Object.fromEntries(uses))}\n`, { contentType: 'application/json' })
  }

  private async makeRoom(bytes: number): Promise<void> {
    const segments: StoreEntry[] = []
    for await (const entry of this.store.list(segmentsFolder)) segments.push(entry)
    let total = segments.reduce((sum, entry) => sum + entry.bytes, 0)
    const records: string[] = []
    for await (const { key } of this.store.list(usesFolder)) records.push(key)
    if (total + bytes > this.limit || records.length > manyUses) {
      const uses = await this.readUses(records)
      const evicted = this.choose(segments, uses, total + bytes)
      for await (const entry of mapOrdered(evicted, atOnce, async found => (await this.store.delete(found.key), found)))
        total -= entry.bytes
      const listed = new Set(segments.map(({ key }) => key))
      for (const { key } of evicted) uses.delete(key)
      const since = this.now() - unlistedKept
      await this.compact(
        records,
        [...uses].filter(([key, time]) => listed.has(key) || time > since),
      )
    }
    this.total = total
    this.written = 0
  }

  private async readUses(records: readonly string[]): Promise<Uses> {
    const uses: Uses = new Map()
    for await (const bytes of mapOrdered(records, atOnce, key => this.store.get(key))) merge(uses, parseUses(bytes))
    merge(uses, this.uses)
    return uses
  }

  /** The segments to delete, the one used longest ago first; one whose use nobody noted counts as never used. */
  private choose(segments: readonly StoreEntry[], uses: Uses, total: number): StoreEntry[] {
    if (total <= this.limit) return []
    let left = total
    const ordered = segments.toSorted((a, b) => (uses.get(a.key) ?? 0) - (uses.get(b.key) ?? 0) || (a.key < b.key ? -1 : 1))
    return ordered.filter(({ bytes }) => {
      const tooMuch = left > this.limit * afterEviction
      if (tooMuch) left -= bytes
      return tooMuch
    })
  }

  /** One record instead of many: written before those go, so that nothing is forgotten. */
  private async compact(records: readonly string[], uses: readonly [string, number][]): Promise<void> {
    if (records.length < 2) return
    await this.writeUses(uses)
    for await (const _ of mapOrdered(records, atOnce, key => this.store.delete(key)));
  }
}
