import { LayermillError } from '@layermill/models'

/** Formats that are decoded. */
export type ImageFormat = 'jpeg' | 'png' | 'gif' | 'webp' | 'tiff' | 'bmp' | 'avif'

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

/** Files that are pictures, but not ones that are read here. */
function unsupportedName(bytes: Uint8Array): string | undefined {
  const brand = isoBrand(bytes)
  if (brand !== undefined) return /^(heic|heix|heim|heis|hevc|hevx|mif1|msf1)$/.test(brand) ? 'HEIC' : `ISO media (${brand.trim()})`
  if (startsWith(bytes, 0xff, 0x0a) || ascii(bytes, 4, 8) === 'JXL \r\n\x87\n') return 'JPEG XL'
  if (ascii(bytes, 4, 4) === 'jP  ' || startsWith(bytes, 0xff, 0x4f, 0xff, 0x51)) return 'JPEG 2000'
  if (ascii(bytes, 0, 4) === '8BPS') return 'Photoshop'
  if (startsWith(bytes, 0, 0, 1, 0)) return 'icon'
  if (ascii(bytes, 0, 5) === '%PDF-') return 'PDF'
  if (/^P[1-7]\s/.test(ascii(bytes, 0, 3))) return 'PNM'
  if (/^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]/s.test(ascii(bytes, 0, 1024))) return 'SVG'
  return undefined
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
  if (isoBrand(bytes)?.startsWith('avi')) return 'avif'
  const name = unsupportedName(bytes)
  if (name !== undefined) {
    throw new LayermillError('IMAGE_UNSUPPORTED', `${name} pictures are not read`, {
      hint: 'Convert it to JPEG, PNG, WebP, TIFF, BMP, GIF or AVIF.',
    })
  }
  throw new LayermillError('IMAGE_NOT_AN_IMAGE', 'the first bytes are not those of a JPEG, PNG, WebP, TIFF, BMP, GIF or AVIF picture')
}

/** Number of colour components in a JPEG's frame header: 1, 3, 4; undefined when no header is found. */
export function jpegComponents(bytes: Uint8Array): number | undefined {
  let at = 2
  while (at + 10 <= bytes.length) {
    if (bytes[at] !== 0xff) return undefined
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at++
      continue
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (isFrame) return bytes[at + 9]
    if (marker === 0xda) return undefined
    at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!)
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
    case 'tiff':
      return tiffEndsEarly(view)
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

/** Bytes of a value of each type that a TIFF directory may hold. */
const TIFF_TYPE_BYTES: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8 }

/** Whether the first directory of a TIFF file, what it refers to, or the strips or tiles it lists, lie behind the end. (BigTIFF: no.) */
function tiffEndsEarly(view: DataView): boolean {
  if (view.byteLength < 16) return true
  const little = view.getUint8(0) === 0x49
  if (view.getUint16(2, little) !== 42) return false
  const directory = view.getUint32(4, little)
  if (directory + 2 > view.byteLength) return true
  const count = view.getUint16(directory, little)
  if (directory + 2 + count * 12 > view.byteLength) return true
  const lists = new Map<number, number[]>()
  for (let i = 0; i < count; i++) {
    const entry = directory + 2 + i * 12
    const values = tiffNumbers(view, entry, little)
    if (values === undefined) return true
    lists.set(view.getUint16(entry, little), values)
  }
  return [[273, 279], [324, 325]].some(([offsets, lengths]) =>
    lists.get(offsets!)?.some((offset, i) => offset + (lists.get(lengths!)?.[i] ?? 0) > view.byteLength))
}

/** The values of a directory entry when they are whole numbers of 16 or 32 bits, else none; undefined when they lie behind the end. */
function tiffNumbers(view: DataView, entry: number, little: boolean): number[] | undefined {
  const size = TIFF_TYPE_BYTES[view.getUint16(entry + 2, little)] ?? 0
  const isNumber = [3, 4].includes(view.getUint16(entry + 2, little))
  const count = view.getUint32(entry + 4, little)
  const start = count * size <= 4 ? entry + 8 : view.getUint32(entry + 8, little)
  if (start + count * size > view.byteLength) return undefined
  if (!isNumber) return []
  return Array.from({ length: count }, (_, i) => size === 2 ? view.getUint16(start + i * 2, little) : view.getUint32(start + i * 4, little))
}
