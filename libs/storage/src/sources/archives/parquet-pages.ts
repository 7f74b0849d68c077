import type { Compressors, FileMetaData, PageHeader } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { compressors, decompressZstd } from 'hyparquet-compressors'

/** The most bytes that are decoded together. */
export const largestBlock = 256 * 1024 * 1024
/** The most rows of a row group. */
export const mostRows = 10_000_000

/**
 * Looks at the pages of one column before they are decoded: what they state of sizes and repetitions is believed by the decoder, and in a
 * damaged file would fill the memory or never end.
 */
export class PageGuard {
  private readonly levelBits: number
  /** 1 where the column is a list, else 0. */
  private readonly repetitionBits: 0 | 1
  /** Pages by where their compressed values are. */
  private readonly pages = new WeakMap<ArrayBufferLike, Map<number, PageHeader>>()

  private readonly isStored: boolean

  /** @param metadata of a file with this column alone, which holds a value a row, or a list of them */
  constructor({ schema, row_groups: groups }: FileMetaData) {
    const levels = schema.slice(1).filter(({ repetition_type: repetition }) => repetition !== 'REQUIRED').length
    this.levelBits = Math.ceil(Math.log2(levels + 1))
    this.repetitionBits = schema.some(({ repetition_type: repetition }) => repetition === 'REPEATED') ? 1 : 0
    this.isStored = groups.some(({ columns }) => columns[0]?.meta_data?.codec === 'UNCOMPRESSED')
  }

  /**
   * @param buffer whole pages
   * @throws Error where one cannot be decoded
   */
  check(buffer: ArrayBuffer): void {
    const reader = { view: new DataView(buffer), offset: 0 }
    const pages = new Map<number, PageHeader>()
    this.pages.set(buffer, pages)
    while (reader.offset < buffer.byteLength - 1) {
      const header = parquetHeader(reader)
      const { compressed_page_size: size, data_page_header: v1, data_page_header_v2: v2 } = header
      const values = (v1 ?? v2 ?? header.dictionary_page_header)?.num_values ?? 0
      if (!(size >= 0) || !(values >= 0 && values <= mostRows)) throw new Error(`a page of ${size} bytes with ${values} values`)
      const body = new Uint8Array(buffer, reader.offset, size)
      const repeated = v2 === undefined ? 0 : v2.repetition_levels_byte_length
      const levels = v2 === undefined ? 0 : repeated + v2.definition_levels_byte_length
      if (v2 !== undefined) {
        const fits = repeated >= 0 && repeated <= levels && levels <= size && (this.repetitionBits === 1 || repeated === 0)
        if (!fits) throw new Error(`a page with ${levels} bytes of levels`)
        checkRuns(body.subarray(0, repeated), this.repetitionBits, values)
        checkRuns(body.subarray(repeated, levels), this.levelBits, values)
      }
      // Pages that are not compressed go through no decompressor.
      if (v2?.is_compressed === false || (this.isStored && size === header.uncompressed_page_size))
        this.checkValues(header, body.subarray(levels))
      else pages.set(reader.offset + levels, header)
      reader.offset += size
    }
  }

  /** The decompressors, each of which checks what comes out. */
  get compressors(): Compressors {
    return Object.fromEntries(
      Object.entries(compressors).map(([codec, decompress]) => [
        codec,
        (input: Uint8Array, length: number) => {
          if (!(length >= 0 && length <= largestBlock)) throw new RangeError(`a page of ${length} bytes, more than ${largestBlock}`)
          // Without a buffer to fill, zstd makes one as large as its own header says.
          const page = codec === 'ZSTD' ? decompressZstd(input, new Uint8Array(length)) : decompress(input, length)
          const header = this.pages.get(input.buffer)?.get(input.byteOffset)
          if (header !== undefined) this.checkValues(header, page)
          return page
        },
      ]),
    )
  }

  private checkValues({ data_page_header: v1, data_page_header_v2: v2 }: PageHeader, page: Uint8Array): void {
    const header = v1 ?? v2
    if (header === undefined) return
    let start = 0
    for (const bits of v1 === undefined ? [] : [this.repetitionBits, this.levelBits]) {
      if (bits === 0) continue
      if (start + 4 > page.byteLength) throw new Error('a page that ends within its levels')
      const length = new DataView(page.buffer, page.byteOffset, page.byteLength).getUint32(start, true)
      const from = start + 4
      start = from + length
      if (start > page.byteLength) throw new Error(`a page with ${length} bytes of levels`)
      checkRuns(page.subarray(from, start), bits, header.num_values)
    }
    if (header.encoding.endsWith('_DICTIONARY') && start < page.byteLength) checkRuns(page.subarray(start + 1), page[start] ?? 0, Infinity)
  }
}

/** Looks at runs (repeated or bit-packed) of numbers of `bits` bits, up to `values` of them or to the end of the bytes. */
function checkRuns(bytes: Uint8Array, bits: number, values: number): void {
  if (bits > 32) throw new Error(`numbers of ${bits} bits`)
  let seen = 0
  for (let at = 0; seen < values && at < bytes.byteLength;) {
    let header = 0
    let byte = 0x80
    for (let shift = 0; byte >= 0x80; shift += 7) {
      byte = bytes[at++] ?? 0
      header += (byte & 0x7f) * 2 ** shift
      if (shift > 28) throw new Error('a run without an end')
    }
    const packed = header % 2 === 1
    const count = Math.floor(header / 2) * (packed ? 8 : 1)
    if (count > mostRows) throw new Error(`a run of ${count} numbers`)
    at += packed ? (count / 8) * bits : (bits + 7) >> 3
    seen += count
  }
}
