import type { SegmentHeader, SegmentLayout } from './segment.js'

/** A segment that is there, as far as is known. */
export interface KnownSegment extends SegmentLayout {
  /** In the cache's store. */
  readonly key: string
}

/** More rows than any part has images. */
const rowsAtMost = 2 ** 17

/** The first 52 bits of an id: others that begin alike are found out when the row is read, and are a miss. */
function beginning(id: Uint8Array, at = 0): number {
  let value = 0
  for (let i = 0; i < 6; i++) value = value * 256 + id[at + i]!
  return value * 16 + (id[at + 6]! >> 4)
}

/** Which segment and row of it an image's values are in: about 50 bytes of memory an image. */
export class SegmentIndex {
  /** Numbers of segment and row by the beginning of the id. */
  private readonly places = new Map<number, number>()
  private readonly segments: (KnownSegment | undefined)[] = []
  private readonly numbers = new Map<string, number>()

  /** Keys of the segments. */
  get keys(): IterableIterator<string> {
    return this.numbers.keys()
  }

  hasSegment(key: string): boolean {
    return this.numbers.has(key)
  }

  add(key: string, { rows, rowBytes, rowsPerBlock, ids }: SegmentHeader): void {
    if (rows > rowsAtMost) return
    const number = this.segments.push({ key, rows, rowBytes, rowsPerBlock }) - 1
    this.numbers.set(key, number)
    for (let row = 0; row < rows; row++) this.places.set(beginning(ids, row * 32), number * rowsAtMost + row)
  }

  find(id: Uint8Array): { segment: KnownSegment; row: number } | undefined {
    const place = this.places.get(beginning(id))
    if (place === undefined) return undefined
    const segment = this.segments[Math.floor(place / rowsAtMost)]
    return segment === undefined ? undefined : { segment, row: place % rowsAtMost }
  }

  /** Forgets a segment that is gone or damaged. */
  drop(key: string): void {
    const number = this.numbers.get(key)
    if (number === undefined) return
    this.numbers.delete(key)
    this.segments[number] = undefined
  }
}
