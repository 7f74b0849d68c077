import { LayermillError } from '@layermill/core'
import { tiffEndsEarly } from './tiff-directory.js'
import { unsupportedFormat } from './unsupported-formats.js'

/** Formats that are decoded. */
export type ImageFormat = 'jpeg' | 'png' | 'gif' | 'webp' | 'tiff' | 'bmp' | 'avif' | 'pnm'

const ascii = (bytes: Uint8Array, at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length))

const startsWith = (bytes: Uint8Array, ...signature: number[]): boolean => signature.every((value, i) => bytes[i] === value)

/** ISO base media files say in their first box which image coding they hold. */
function isoBrand(bytes: Uint8Array): string | undefined {
  if (ascii(bytes, 4, 4) !== 'ftyp') return undefined
  const end = Math.min(bytes.length, ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0, 256)
  const brands = [ascii(bytes, 8, 4)]
  for (let at = 16; at + 4 <= end; at += 4) brands.push(ascii(bytes, at, 4))
  return brands.find(brand => brand === 'avif' || brand === 'avis') ?? brands[0]
}

/**
 * The format by the file's first bytes, never by its name.
 * @throws LayermillError IMAGE_EMPTY without bytes, IMAGE_UNSUPPORTED for pictures of other formats, IMAGE_NOT_AN_IMAGE for the rest
 */
export function sniffFormat(bytes: Uint8Array): ImageFormat {
  if (bytes.length === 0) throw new LayermillError('IMAGE_EMPTY', 'the file is empty, expected a picture')
  if (startsWith(bytes, 0xff, 0xd8, 0xff)) return 'jpeg'
  if (startsWith(bytes, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'png'
  if (/^GIF8[79]a$/.test(ascii(bytes, 0, 6))) return 'gif'
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 4) === 'WEBP') return 'webp'
  if (/^(II[*+]\0|MM\0[*+])$/.test(ascii(bytes, 0, 4))) return 'tiff'
  if (ascii(bytes, 0, 2) === 'BM') return 'bmp'
  if (/^P[1-6]\s$/.test(ascii(bytes, 0, 3))) return 'pnm'
  const brand = isoBrand(bytes)
  if (brand === 'avif' || brand === 'avis') return 'avif'
  const name = unsupportedFormat(bytes, brand)
  if (name !== undefined) {
    throw new LayermillError('IMAGE_UNSUPPORTED', `${name} pictures are not read`, {
      hint: 'Convert it to JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or PPM.',
    })
  }
  throw new LayermillError('IMAGE_NOT_AN_IMAGE', 'the first bytes are not those of a JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or PPM picture')
}

/** Facts from a JPEG's frame header. */
export interface JpegFrame {
  /** Offset of its marker. */
  readonly at: number
  readonly width: number
  readonly height: number
  /** Colour components: 1, 3 or 4. */
  readonly components: number
}

/** A JPEG's frame header; undefined when none is found. */
export function readJpegFrame(bytes: Uint8Array): JpegFrame | undefined {
  const wordAt = (at: number): number => (bytes[at]! << 8) | bytes[at + 1]!
  let at = 2
  while (at + 10 <= bytes.length) {
    if (bytes[at] !== 0xff) return undefined
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at++
      continue
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (isFrame) return { at, width: wordAt(at + 7), height: wordAt(at + 5), components: bytes[at + 9]! }
    if (marker === 0xda) return undefined
    at += 2 + wordAt(at + 2)
  }
  return undefined
}

/** Whether a file that failed to decode ends before its format says it should. */
export function endsEarly(bytes: Uint8Array, format: ImageFormat): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tail = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(-4096)
  switch (format) {
    case 'jpeg':
      return !tail.includes(Buffer.of(0xff, 0xd9))
    case 'png':
      return !tail.includes('IEND', 0, 'latin1')
    case 'gif':
      return tail.at(-1) !== 0x3b
    case 'webp':
      return bytes.length < 12 || view.getUint32(4, true) + 8 > bytes.length
    case 'bmp':
      return bytes.length < 54 || view.getUint32(2, true) > bytes.length
    case 'pnm':
      return false
    case 'tiff':
      return tiffEndsEarly(bytes)
    case 'avif':
      return isoBoxesEndEarly(view)
  }
}

function isoBoxesEndEarly(view: DataView): boolean {
  let at = 0
  while (at + 8 <= view.byteLength) {
    const size = view.getUint32(at)
    if (size === 0) return false
    if (size < 8) return false
    at += size
  }
  return at !== view.byteLength
}
