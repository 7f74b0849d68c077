import { LayermillError } from '@layermill/core'
import type { Pacer } from './pacer.js'

const truncated = (): LayermillError => new LayermillError('IMAGE_TRUNCATED', 'the BMP file ends within its pixels')

export interface RunLengths {
  readonly width: number
  readonly height: number
  /** Of an index: 4 (BI_RLE4) or 8 (BI_RLE8). */
  readonly bits: number
  /** Offset of the pixels. */
  readonly offset: number
}

/** Puts indices where the picture is, and drops those that a run has beyond the end of its row. */
class Rows {
  readonly indices: Uint8Array
  x = 0
  y = 0

  constructor(
    private readonly width: number,
    private readonly height: number,
  ) {
    this.indices = new Uint8Array(width * height)
  }

  get full(): boolean {
    return this.y >= this.height || (this.y === this.height - 1 && this.x >= this.width)
  }

  put(index: number): void {
    if (this.x < this.width && this.y < this.height) this.indices[this.y * this.width + this.x] = index
    this.x++
  }
}

/**
 * Undoes a bitmap's run lengths: one byte for each pixel, in rows as they are stored (from the bottom). Pixels that the file leaves out
 * have index 0.
 * @throws LayermillError IMAGE_TRUNCATED
 */
export async function readRunLengths(bytes: Uint8Array, { width, height, bits, offset }: RunLengths, pacer: Pacer): Promise<Uint8Array> {
  const rows = new Rows(width, height)
  const half = bits === 4
  /** Index `i` of bytes that start at `from`. */
  const indexAt = (from: number, i: number): number => (half ? (bytes[from + (i >> 1)]! >> ((i & 1) === 0 ? 4 : 0)) & 15 : bytes[from + i]!)
  let at = offset
  for (let steps = 0; !rows.full; steps++) {
    const [count, value] = [bytes[at], bytes[at + 1]]
    if (count === undefined || value === undefined) throw truncated()
    at += 2
    if (count > 0) {
      for (let i = 0; i < count; i++) rows.put(half ? indexAt(at - 1, i & 1) : value)
    } else if (value === 1) {
      break
    } else if (value === 0) {
      rows.y++
      rows.x = 0
    } else if (value === 2) {
      if (at + 2 > bytes.length) throw truncated()
      rows.x += bytes[at]!
      rows.y += bytes[at + 1]!
      at += 2
    } else {
      const length = half ? Math.ceil(value / 2) : value
      if (at + length > bytes.length) throw truncated()
      for (let i = 0; i < value; i++) rows.put(indexAt(at, i))
      at += length + (length & 1)
    }
    if ((steps & 0xff) === 0 && pacer.due) await pacer.rest()
  }
  return rows.indices
}
