/** Bytes of a value of each type that a directory may hold: TIFF's twelve, and BigTIFF's LONG8, SLONG8 and IFD8 (and IFD). */
const typeBytes: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  5: 8,
  6: 1,
  7: 1,
  8: 2,
  9: 4,
  10: 8,
  11: 4,
  12: 8,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
}
/** Types whose values are whole numbers without a sign. */
const wholeTypes = new Set([1, 3, 4, 13, 16, 18])

interface Entry {
  readonly type: number
  readonly count: number
  /** Offset of its values. */
  readonly start: number
}

/** Tags that are looked at, by their names in TIFF 6.0. */
export const tiffTags = {
  imageWidth: 256,
  imageLength: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  stripOffsets: 273,
  orientation: 274,
  samplesPerPixel: 277,
  stripByteCounts: 279,
  planarConfiguration: 284,
  tileWidth: 322,
  tileLength: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  extraSamples: 338,
  sampleFormat: 339,
} as const

/** The first directory of a TIFF or BigTIFF file, in either byte order. */
export class TiffDirectory {
  private constructor(
    private readonly view: DataView,
    private readonly little: boolean,
    private readonly entries: ReadonlyMap<number, Entry>,
  ) {}

  /** Undefined where the directory, or what it refers to, lies behind the file's end. */
  static read(bytes: Uint8Array): TiffDirectory | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (view.byteLength < 16) return undefined
    const little = view.getUint8(0) === 0x49
    const big = view.getUint16(2, little) === 43
    const word = (at: number): number => (big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little))
    const [entryBytes, wordBytes] = big ? [20, 8] : [12, 4]
    const start = word(big ? 8 : 4)
    const first = start + (big ? 8 : 2)
    if (first > view.byteLength) return undefined
    const count = big ? word(start) : view.getUint16(start, little)
    if (first + count * entryBytes > view.byteLength) return undefined
    const entries = new Map<number, Entry>()
    for (let at = first; at < first + count * entryBytes; at += entryBytes) {
      const type = view.getUint16(at + 2, little)
      const values = word(at + 4)
      const length = values * (typeBytes[type] ?? 0)
      const place = at + 4 + wordBytes
      const entry = { type, count: values, start: length <= wordBytes ? place : word(place) }
      if (entry.start + length > view.byteLength) return undefined
      const tag = view.getUint16(at, little)
      if (!entries.has(tag)) entries.set(tag, entry)
    }
    return new TiffDirectory(view, little, entries)
  }

  /** The values of a tag that are whole numbers; undefined where the directory lacks it, or has other values there. */
  numbers(tag: number): number[] | undefined {
    const entry = this.entries.get(tag)
    if (entry === undefined || !wholeTypes.has(entry.type)) return undefined
    return Array.from({ length: entry.count }, (_, i) => this.valueAt(entry, i))
  }

  /** The first value of a tag. */
  number(tag: number): number | undefined {
    const entry = this.entries.get(tag)
    return entry === undefined || entry.count === 0 || !wholeTypes.has(entry.type) ? undefined : this.valueAt(entry, 0)
  }

  has(tag: number): boolean {
    return this.entries.has(tag)
  }

  /** A copy of the file in which the values of a tag, whole numbers of at most 32 bits, are others. */
  withNumber(bytes: Uint8Array, tag: number, value: number): Uint8Array {
    const entry = this.entries.get(tag)
    if (entry === undefined) return bytes
    const copy = bytes.slice()
    const view = new DataView(copy.buffer)
    for (let i = 0; i < entry.count; i++) {
      if (entry.type === 3) view.setUint16(entry.start + i * 2, value, this.little)
      else if (entry.type === 4) view.setUint32(entry.start + i * 4, value, this.little)
      else if (entry.type === 1) view.setUint8(entry.start + i, value)
    }
    return copy
  }

  private valueAt({ type, start }: Entry, index: number): number {
    const at = start + index * typeBytes[type]!
    switch (typeBytes[type]) {
      case 1:
        return this.view.getUint8(at)
      case 2:
        return this.view.getUint16(at, this.little)
      case 4:
        return this.view.getUint32(at, this.little)
      default:
        return Number(this.view.getBigUint64(at, this.little))
    }
  }
}

/** Whether the first directory, what it refers to, or the strips or tiles that it lists, lie behind the file's end. */
export function tiffEndsEarly(bytes: Uint8Array): boolean {
  const directory = TiffDirectory.read(bytes)
  if (directory === undefined) return true
  const { stripOffsets, stripByteCounts, tileOffsets, tileByteCounts } = tiffTags
  return [
    [stripOffsets, stripByteCounts],
    [tileOffsets, tileByteCounts],
  ].some(([offsets, lengths]) => {
    const counts = directory.numbers(lengths!)
    return directory.numbers(offsets!)?.some((offset, i) => offset + (counts?.[i] ?? 0) > bytes.length)
  })
}
