import { LayermillError } from '@layermill/core'
import type { RgbImage } from './image.js'
import type { Pacer } from './pacer.js'
import { checkSize } from './picture-size.js'

/** The first frame of a GIF file. */
interface Frame {
  /** Of the canvas. */
  readonly width: number
  readonly height: number
  readonly left: number
  readonly top: number
  readonly frameWidth: number
  readonly frameHeight: number
  readonly interlaced: boolean
  /** RGB of each index; undefined when the file has none, and indices are grey levels. */
  readonly palette: Uint8Array | undefined
  readonly transparent: number | undefined
  /** Offset of the compressed indices. Their first byte is the code size. */
  readonly dataStart: number
}

const lastCodes = 4096

const truncated = (what: string): LayermillError => new LayermillError('IMAGE_TRUNCATED', `the GIF file ends within its ${what}`)
const corrupt = (what: string): LayermillError => new LayermillError('IMAGE_CORRUPT', `the GIF file is damaged: ${what}`)

/**
 * Decodes the first frame on its canvas. Transparent pixels get the colour that the palette has for them, as Pillow's convert('RGB')
 * gives them (libvips, which decodes the other formats, leaves no trace of it: it makes them black). What the frame does not cover
 * has the transparent index, else index 0.
 * @throws LayermillError IMAGE_TRUNCATED, IMAGE_CORRUPT, IMAGE_TOO_LARGE
 */
export async function decodeGif(bytes: Uint8Array, maxPixels: number, pacer: Pacer): Promise<RgbImage> {
  const frame = findFirstFrame(bytes)
  const { width, height } = frame
  checkSize(width, height, maxPixels)
  const indices = await decompress(bytes, frame.dataStart, frame.frameWidth * frame.frameHeight, pacer)
  const data = new Uint8Array(width * height * 3)
  const background = colorOf(frame.palette, frame.transparent ?? 0)
  const covered = frame.frameWidth === width && frame.frameHeight === height
  if (!covered) for (let i = 0; i < data.length; i += 3) data.set(background, i)
  const rows = frameRows(frame)
  for (let y = 0; y < frame.frameHeight; y++) {
    let to = ((frame.top + rows[y]!) * width + frame.left) * 3
    for (let x = 0, from = y * frame.frameWidth; x < frame.frameWidth; x++, from++, to += 3) {
      const index = indices[from]!
      if (frame.palette === undefined) data.fill(index, to, to + 3)
      else for (let channel = 0; channel < 3; channel++) data[to + channel] = frame.palette[index * 3 + channel] ?? 0
    }
    if (pacer.due) await pacer.rest()
  }
  return { width, height, data }
}

/** @throws LayermillError as `decodeGif` */
export function readGifSize(bytes: Uint8Array): { readonly width: number; readonly height: number } {
  return findFirstFrame(bytes)
}

function colorOf(palette: Uint8Array | undefined, index: number): readonly [number, number, number] {
  if (palette === undefined) return [index, index, index]
  return [palette[index * 3] ?? 0, palette[index * 3 + 1] ?? 0, palette[index * 3 + 2] ?? 0]
}

/** The row of the frame that each stored row is: 8 apart, then 8, 4 and 2 apart in between, when interlaced. */
function frameRows({ frameHeight, interlaced }: Frame): number[] {
  const passes = interlaced
    ? ([
        [0, 8],
        [4, 8],
        [2, 4],
        [1, 2],
      ] as const)
    : ([[0, 1]] as const)
  const rows: number[] = []
  for (const [start, step] of passes) for (let y = start; y < frameHeight; y += step) rows.push(y)
  return rows
}

function findFirstFrame(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 13) throw truncated('header')
  let [palette, at] = readPalette(bytes, bytes[10]!, 13)
  let transparent: number | undefined
  for (;;) {
    const kind = bytes[at]
    if (kind === 0x21) {
      if (bytes[at + 1] === 0xf9 && bytes[at + 2] === 4 && ((bytes[at + 3] ?? 0) & 1) === 1) transparent = bytes[at + 6]
      at = skipBlocks(bytes, at + 2)
    } else if (kind === 0x2c) {
      if (at + 11 > bytes.length) throw truncated('frame header')
      const [left, top] = [view.getUint16(at + 1, true), view.getUint16(at + 3, true)]
      const [frameWidth, frameHeight] = [view.getUint16(at + 5, true), view.getUint16(at + 7, true)]
      if (frameWidth === 0 || frameHeight === 0) throw corrupt(`a frame of ${frameWidth}x${frameHeight}`)
      const flags = bytes[at + 9]!
      const [local, dataStart] = readPalette(bytes, flags, at + 10)
      palette = local ?? palette
      // Frames may be larger than the canvas says; it grows.
      const width = Math.max(view.getUint16(6, true), left + frameWidth)
      const height = Math.max(view.getUint16(8, true), top + frameHeight)
      return { width, height, left, top, frameWidth, frameHeight, interlaced: (flags & 0x40) !== 0, palette, transparent, dataStart }
    } else if (kind === undefined) {
      throw truncated('blocks, before a frame')
    } else {
      throw corrupt(kind === 0x3b ? 'it has no frame' : `an unknown block ${kind} at byte ${at}`)
    }
  }
}

function readPalette(bytes: Uint8Array, flags: number, at: number): [palette: Uint8Array | undefined, end: number] {
  if ((flags & 0x80) === 0) return [undefined, at]
  const end = at + 3 * 2 ** ((flags & 7) + 1)
  if (end > bytes.length) throw truncated('palette')
  return [bytes.subarray(at, end), end]
}

/** The end of a list of blocks, each of which says its length. */
function skipBlocks(bytes: Uint8Array, at: number): number {
  for (;;) {
    const length = bytes[at]
    if (length === undefined) throw truncated('blocks')
    at += length + 1
    if (length === 0) return at
  }
}

/** Undoes GIF's LZW. */
async function decompress(bytes: Uint8Array, start: number, count: number, pacer: Pacer): Promise<Uint8Array> {
  const codeSize = bytes[start]
  if (codeSize === undefined) throw truncated('pixels')
  if (codeSize < 1 || codeSize > 11) throw corrupt(`a code size of ${codeSize}`)
  const codes = new CodeReader(bytes, start + 1)
  const table = new CodeTable(codeSize)
  const indices = new Uint8Array(count)
  for (let filled = 0; filled < count;) {
    const code = codes.read(table.bits)
    if (code === undefined) throw codes.atEnd ? truncated('pixels') : corrupt('fewer pixels than its frame has')
    if (code === table.end) throw corrupt('fewer pixels than its frame has')
    filled = table.write(code, indices, filled)
    if ((filled & 0xff) === 0 && pacer.due) await pacer.rest()
  }
  return indices
}

/** Codes of a varying number of bits, low bits first, out of blocks of up to 255 bytes. */
class CodeReader {
  private buffer = 0
  private held = 0
  private left = 0
  /** Whether it was the file that ended, and not the list of blocks. */
  atEnd = false

  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
  ) {}

  read(bits: number): number | undefined {
    while (this.held < bits) {
      const byte = this.nextByte()
      if (byte === undefined) return undefined
      this.buffer |= byte << this.held
      this.held += 8
    }
    const code = this.buffer & ((1 << bits) - 1)
    this.buffer >>>= bits
    this.held -= bits
    return code
  }

  private nextByte(): number | undefined {
    if (this.left === 0) {
      this.left = this.bytes[this.at++] ?? 0
      if (this.left === 0) {
        this.atEnd = this.at > this.bytes.length
        return undefined
      }
    }
    this.left--
    const byte = this.bytes[this.at++]
    this.atEnd = byte === undefined
    return byte
  }
}

/** Table of codes. A code stands for an earlier code followed by one index. */
class CodeTable {
  private readonly prefix = new Uint16Array(lastCodes)
  private readonly suffix = new Uint8Array(lastCodes)
  private readonly length = new Uint16Array(lastCodes)
  private readonly clear: number
  readonly end: number
  private next: number
  private previous = -1
  bits: number

  constructor(private readonly codeSize: number) {
    this.clear = 1 << codeSize
    this.end = this.clear + 1
    for (let code = 0; code < this.clear; code++) {
      this.suffix[code] = code
      this.length[code] = 1
    }
    this.next = this.clear + 2
    this.bits = codeSize + 1
  }

  /** Writes what a code stands for at `at`, as far as there is room, and learns the next code. Returns the new end. */
  write(code: number, indices: Uint8Array, at: number): number {
    if (code === this.clear) {
      this.next = this.clear + 2
      this.bits = this.codeSize + 1
      this.previous = -1
      return at
    }
    const known = code < this.next && code !== this.end
    if (!known && (this.previous < 0 || code !== this.next || this.next >= lastCodes)) throw corrupt('an impossible code')
    if (this.previous >= 0 && this.next < lastCodes) this.learn(known ? code : this.previous)
    this.previous = code
    const length = this.length[code]!
    for (let i = length - 1, from = code; i >= 0; i--) {
      if (at + i < indices.length) indices[at + i] = this.suffix[from]!
      from = this.prefix[from]!
    }
    return Math.min(at + length, indices.length)
  }

  /** The next code: the previous one and the first index of `code`. */
  private learn(code: number): void {
    let first = code
    while (this.length[first]! > 1) first = this.prefix[first]!
    this.prefix[this.next] = this.previous
    this.suffix[this.next] = this.suffix[first]!
    this.length[this.next] = this.length[this.previous]! + 1
    this.next++
    if (this.next === 1 << this.bits && this.bits < 12) this.bits++
  }
}
