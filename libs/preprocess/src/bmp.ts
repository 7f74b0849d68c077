import { LayermillError } from '@layermill/core'
import { readRunLengths } from './bmp-rle.js'
import type { RgbImage } from './image.js'
import type { Pacer } from './pacer.js'
import { checkSize } from './picture-size.js'

interface Header {
  readonly width: number
  readonly height: number
  readonly topDown: boolean
  readonly bits: number
  /** Pixels are run lengths of 4 or 8 bits. */
  readonly runLengths: boolean
  /** Offset of the pixels. */
  readonly offset: number
  /** Bytes of a row, padded to 4. */
  readonly stride: number
  /** Blue, green, red of each colour, `paletteEntry` bytes apart. */
  readonly palette: Uint8Array
  readonly paletteEntry: 3 | 4
  /** Bit masks of red, green and blue in a pixel of 16 or 32 bits. */
  readonly masks: readonly [red: number, green: number, blue: number]
}

const truncated = (what: string): LayermillError => new LayermillError('IMAGE_TRUNCATED', `the BMP file ends within its ${what}`)
const corrupt = (what: string): LayermillError => new LayermillError('IMAGE_CORRUPT', `the BMP file is damaged: ${what}`)
const unsupported = (what: string): LayermillError =>
  new LayermillError('IMAGE_UNSUPPORTED', `BMP files with ${what} are not read`, {
    hint: 'Convert it to PNG.',
  })

/**
 * Decodes a Windows or OS/2 bitmap of 1, 4, 8 (palette), 16, 24 or 32 bits a pixel, plain or (4 and 8 bits) in run lengths. A fourth byte
 * (alpha) is dropped.
 * @throws LayermillError IMAGE_TRUNCATED, IMAGE_CORRUPT, IMAGE_UNSUPPORTED (embedded JPEG or PNG, OS/2's compressions), IMAGE_TOO_LARGE
 */
export async function decodeBmp(bytes: Uint8Array, maxPixels: number, pacer: Pacer): Promise<RgbImage> {
  const header = readHeader(bytes)
  const { width, height, stride, offset } = header
  checkSize(width, height, maxPixels)
  if (header.runLengths) return await decodeRunLengths(bytes, header, pacer)
  if (offset + stride * height > bytes.length) throw truncated('pixels')
  const data = new Uint8Array(width * height * 3)
  const readRow = rowReader(header)
  for (let y = 0; y < height; y++) {
    const from = offset + (header.topDown ? y : height - 1 - y) * stride
    readRow(bytes.subarray(from, from + stride), data.subarray(y * width * 3, (y + 1) * width * 3))
    if (pacer.due) await pacer.rest()
  }
  return { width, height, data }
}

/** @throws LayermillError as `decodeBmp` */
export function readBmpSize(bytes: Uint8Array): { readonly width: number; readonly height: number } {
  return readHeader(bytes)
}

async function decodeRunLengths(bytes: Uint8Array, header: Header, pacer: Pacer): Promise<RgbImage> {
  const { width, height, topDown } = header
  const indices = await readRunLengths(bytes, header, pacer)
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const from = (topDown ? y : height - 1 - y) * width
    readPaletteRow({ ...header, bits: 8 }, indices.subarray(from, from + width), data.subarray(y * width * 3, (y + 1) * width * 3))
    if (pacer.due) await pacer.rest()
  }
  return { width, height, data }
}

/** Names of compressions that are not read, and of those that OS/2's header of 64 bytes has in their place. */
const compressionNames: Readonly<Record<number, string>> = {
  4: 'an embedded JPEG',
  5: 'an embedded PNG',
  11: 'CMYK colours',
  12: 'CMYK run lengths',
  13: 'CMYK run lengths',
}
const oldCompressionNames: Readonly<Record<number, string>> = { 3: 'Huffman compression', 4: 'run lengths of 24 bits' }

/** How pixels are stored. @throws LayermillError IMAGE_UNSUPPORTED, IMAGE_CORRUPT */
function storageOf(compression: number, bits: number, headerSize: number): { fields: boolean; runLengths: boolean } {
  const os2 = headerSize === 64 ? oldCompressionNames[compression] : undefined
  if (os2 !== undefined) throw unsupported(os2)
  const runLengths = compression === 1 || compression === 2
  const fields = compression === 3 || compression === 6
  if (compression !== 0 && !fields && !runLengths) throw unsupported(compressionNames[compression] ?? `compression ${compression}`)
  if (fields && bits !== 16 && bits !== 32) throw corrupt(`bit fields in ${bits} bits per pixel`)
  if (runLengths && bits !== (compression === 1 ? 8 : 4))
    throw corrupt(`run lengths of ${compression === 1 ? 8 : 4} bits in ${bits} bits per pixel`)
  return { fields, runLengths }
}

function readHeader(bytes: Uint8Array): Header {
  if (bytes.length < 26) throw truncated('header')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerSize = view.getUint32(14, true)
  const old = headerSize === 12
  if (headerSize === 16) throw unsupported("OS/2's header of 16 bytes")
  if (!old && (headerSize < 40 || headerSize > 1024)) throw corrupt(`a header of ${headerSize} bytes`)
  if (bytes.length < 14 + headerSize) throw truncated('header')
  const width = old ? view.getUint16(18, true) : view.getInt32(18, true)
  const signedHeight = old ? view.getUint16(20, true) : view.getInt32(22, true)
  const height = Math.abs(signedHeight)
  if (width < 1 || height < 1) throw corrupt(`a size of ${width}x${signedHeight}`)
  const bits = view.getUint16(old ? 24 : 28, true)
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw corrupt(`${bits} bits per pixel`)
  const compression = old ? 0 : view.getUint32(30, true)
  const { fields, runLengths } = storageOf(compression, bits, headerSize)
  const paletteEntry = old ? 3 : 4
  // A header of 40 bytes has its bit fields behind it, longer ones within.
  const paletteStart = 14 + headerSize + (fields && headerSize === 40 ? (compression === 6 ? 16 : 12) : 0)
  if (fields && bytes.length < 66) throw truncated('bit fields')
  const masks = fields ? ([view.getUint32(54, true), view.getUint32(58, true), view.getUint32(62, true)] as const) : defaultMasks(bits)
  const used = old ? 0 : view.getUint32(46, true)
  const colors = bits <= 8 ? Math.min(used === 0 ? 2 ** bits : used, 2 ** bits) : 0
  const offset = view.getUint32(10, true)
  if (offset < paletteStart) throw corrupt(`pixels at byte ${offset}, within the header`)
  if (paletteStart + colors * paletteEntry > bytes.length) throw truncated('palette')
  return {
    width,
    height,
    topDown: signedHeight < 0,
    bits,
    runLengths,
    offset,
    stride: Math.ceil((width * bits) / 32) * 4,
    palette: bytes.subarray(paletteStart, paletteStart + colors * paletteEntry),
    paletteEntry,
    masks,
  }
}

function defaultMasks(bits: number): readonly [number, number, number] {
  return bits === 16 ? [0x7c00, 0x03e0, 0x001f] : [0xff0000, 0x00ff00, 0x0000ff]
}

type RowReader = (source: Uint8Array, target: Uint8Array) => void

function rowReader(header: Header): RowReader {
  if (header.bits <= 8) return (source, target) => readPaletteRow(header, source, target)
  if (header.bits === 24) return readBgrRow
  return (source, target) => readMaskedRow(header, source, target)
}

function readBgrRow(source: Uint8Array, target: Uint8Array): void {
  for (let i = 0; i < target.length; i += 3) {
    target[i] = source[i + 2]!
    target[i + 1] = source[i + 1]!
    target[i + 2] = source[i]!
  }
}

/** Colours that the palette lacks are black. */
function readPaletteRow({ bits, palette, paletteEntry }: Header, source: Uint8Array, target: Uint8Array): void {
  const perByte = 8 / bits
  const mask = 2 ** bits - 1
  for (let x = 0, to = 0; to < target.length; x++, to += 3) {
    const shift = 8 - bits - (x % perByte) * bits
    const from = ((source[Math.floor(x / perByte)]! >> shift) & mask) * paletteEntry
    target[to] = palette[from + 2] ?? 0
    target[to + 1] = palette[from + 1] ?? 0
    target[to + 2] = palette[from] ?? 0
  }
}

function readMaskedRow({ bits, masks }: Header, source: Uint8Array, target: Uint8Array): void {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
  const channels = masks.map(mask => {
    const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask)
    return { shift, largest: mask >>> shift }
  })
  for (let x = 0, to = 0; to < target.length; x++) {
    const pixel = bits === 16 ? view.getUint16(x * 2, true) : view.getUint32(x * 4, true)
    for (const { shift, largest } of channels) {
      target[to++] = largest === 0 ? 0 : Math.trunc(((((pixel >>> shift) & largest) >>> 0) * 255) / largest)
    }
  }
}
