import { LayermillError, roundHalfEven } from '@layermill/core'
import type { RgbImage } from './image.js'
import type { Pacer } from './pacer.js'
import { checkSize } from './picture-size.js'

const truncated = (what: string): LayermillError => new LayermillError('IMAGE_TRUNCATED', `the PNM file ends within its ${what}`)
const corrupt = (what: string): LayermillError => new LayermillError('IMAGE_CORRUPT', `the PNM file is damaged: ${what}`)

/** Longest number of a header or of plain pixels. */
const mostDigits = 10
const lineFeed = 0x0a
const carriageReturn = 0x0d
const hash = 0x23
const zero = 0x30

const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)

/** Reads numbers between white space and comments, which go from # to the end of the line. */
class Scanner {
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
  ) {}

  /** The next whole number, and the one byte of white space behind it. @param what it is, for people */
  number(what: string): number {
    let value = 0
    let digits = 0
    for (; ; this.at++) {
      const byte = this.bytes[this.at]
      if (byte === undefined) break
      if (byte === hash) this.skipComment()
      else if (isSpace(byte)) {
        if (digits > 0) break
      } else {
        if (byte < zero || byte > zero + 9 || digits === mostDigits)
          throw corrupt(`something else than a number in its ${what}, at byte ${this.at}`)
        value = value * 10 + (byte - zero)
        digits++
      }
    }
    if (digits === 0) throw truncated(what)
    this.at++
    return value
  }

  /** The next 0 or 1; there need be no white space between them. */
  bit(): number {
    for (; ; this.at++) {
      const byte = this.bytes[this.at]
      if (byte === undefined) throw truncated('pixels')
      if (byte === hash) this.skipComment()
      else if (byte === zero || byte === zero + 1) return this.bytes[this.at++]! - zero
      else if (!isSpace(byte)) throw corrupt(`something else than 0 and 1 in its pixels, at byte ${this.at}`)
    }
  }

  /** Up to the last byte of a comment's line. */
  private skipComment(): void {
    while (this.at < this.bytes.length && this.bytes[this.at] !== lineFeed && this.bytes[this.at] !== carriageReturn) this.at++
  }
}

interface Header {
  /** 1 to 6: bits, grey and colours, as text (plain) or as bytes. */
  readonly kind: number
  readonly width: number
  readonly height: number
  /** The largest value; of bits 1. */
  readonly largest: number
  /** Offset of the pixels. */
  readonly from: number
}

export function readPnmHeader(bytes: Uint8Array): Header {
  const kind = bytes[1]! - zero
  const scanner = new Scanner(bytes, 2)
  const width = scanner.number('header')
  const height = scanner.number('header')
  const bits = kind === 1 || kind === 4
  const largest = bits ? 1 : scanner.number('header')
  if (width < 1 || height < 1) throw corrupt(`a size of ${width}x${height}`)
  if (largest < 1 || largest > 65_535) throw corrupt(`a largest value of ${largest}, expected 1 to 65535`)
  return { kind, width, height, largest, from: scanner.at }
}

/**
 * The 8 bits of each value. Pillow scales to 255, also colours of 16 bits; grey of more than 255 levels it scales to 65535, of which the
 * high byte is taken here, as of all 16-bit grey.
 */
function levels(largest: number, grey: boolean): (value: number) => number {
  if (largest === 255) return value => value
  const wide = grey && largest > 255
  const table = new Uint8Array(largest + 1)
  for (let value = 0; value <= largest; value++) {
    table[value] = wide ? roundHalfEven((value / largest) * 65_535) >> 8 : roundHalfEven((value / largest) * 255)
  }
  return value => table[value] ?? 255
}

type RowReader = (row: number, target: Uint8Array) => void

/** Rows of samples, as they are stored: 1 or 3 of a pixel, 8 bits each. */
function rowReader(bytes: Uint8Array, { kind, width, height, largest, from }: Header): RowReader {
  const channels = kind === 3 || kind === 6 ? 3 : 1
  if (kind === 1) {
    const scanner = new Scanner(bytes, from)
    return (_row, target) => {
      for (let x = 0; x < width; x++) target[x] = scanner.bit() === 1 ? 0 : 255
    }
  }
  const level = levels(largest, channels === 1)
  if (kind <= 3) {
    const scanner = new Scanner(bytes, from)
    return (_row, target) => {
      for (let i = 0; i < width * channels; i++) {
        const value = scanner.number('pixels')
        if (value > largest) throw corrupt(`a value of ${value}, above its largest (${largest})`)
        target[i] = level(value)
      }
    }
  }
  const sampleBytes = largest > 255 ? 2 : 1
  const stride = kind === 4 ? Math.ceil(width / 8) : width * channels * sampleBytes
  if (from + stride * height > bytes.length) throw truncated('pixels')
  return (row, target) => {
    const start = from + row * stride
    if (kind === 4) for (let x = 0; x < width; x++) target[x] = ((bytes[start + (x >> 3)]! >> (7 - (x & 7))) & 1) === 1 ? 0 : 255
    else if (sampleBytes === 1) for (let i = 0; i < stride; i++) target[i] = level(bytes[start + i]!)
    else for (let i = 0; i < width * channels; i++) target[i] = level((bytes[start + i * 2]! << 8) | bytes[start + i * 2 + 1]!)
  }
}

/**
 * Decodes PBM, PGM and PPM, plain and binary (P1 to P6), of any largest value, the first picture of the file.
 * @throws LayermillError IMAGE_TRUNCATED, IMAGE_CORRUPT, IMAGE_TOO_LARGE
 */
export async function decodePnm(bytes: Uint8Array, maxPixels: number, pacer: Pacer): Promise<RgbImage> {
  const header = readPnmHeader(bytes)
  const { kind, width, height } = header
  checkSize(width, height, maxPixels)
  // A plain sample takes a byte at least, so that a short file cannot announce a large picture.
  const fewest = width * height * (kind === 3 ? 6 : kind === 2 ? 2 : 1)
  if (kind <= 3 && header.from + fewest > bytes.length + 1) throw truncated('pixels')
  const readRow = rowReader(bytes, header)
  const colours = kind === 3 || kind === 6
  const data = new Uint8Array(width * height * 3)
  const grey = new Uint8Array(colours ? 0 : width)
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width * 3, (y + 1) * width * 3)
    if (colours) readRow(y, row)
    else {
      readRow(y, grey)
      for (let x = 0; x < width; x++) row.fill(grey[x]!, x * 3, x * 3 + 3)
    }
    if (pacer.due) await pacer.rest()
  }
  return { width, height, data }
}
