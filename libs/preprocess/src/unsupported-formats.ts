const ascii = (bytes: Uint8Array, at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length))

/** First bytes of formats that are not read, as Latin-1 text, and where they stand when not at the start. */
const signatures: readonly (readonly [name: string, text: string, at?: number])[] = [
  ['JPEG XL', '\xff\x0a'],
  ['JPEG XL', 'JXL \r\n\x87\n', 4],
  ['JPEG 2000', 'jP  ', 4],
  ['JPEG 2000', '\xff\x4f\xff\x51'],
  ['JPEG XR', 'II\xbc\x01'],
  ['QOI', 'qoif'],
  ['Photoshop', '8BPS'],
  ['OpenEXR', '\x76\x2f\x31\x01'],
  ['DDS', 'DDS '],
  ['Radiance HDR', '#?RADIANCE'],
  ['Radiance HDR', '#?RGBE'],
  ['FITS', 'SIMPLE  ='],
  ['DPX', 'SDPX'],
  ['DPX', 'XPDS'],
  ['Cineon', '\x80\x2a\x5f\xd7'],
  ['Cineon', '\xd7\x5f\x2a\x80'],
  ['icon', '\0\0\x01\0'],
  ['Apple icon', 'icns'],
  ['MNG', '\x8aMNG\r\n\x1a\n'],
  ['JNG', '\x8bJNG\r\n\x1a\n'],
  ['SGI', '\x01\xda'],
  ['Sun raster', '\x59\xa6\x6a\x95'],
  ['XPM', '/* XPM */'],
  ['XPM', '! XPM2'],
  ['MIFF', 'id=ImageMagick'],
  ['VIFF', '\xab\x01'],
  ['PostScript', '%!PS'],
  ['PostScript', '\xc5\xd0\xd3\xc6'],
  ['PDF', '%PDF-'],
  ['Windows metafile', '\xd7\xcd\xc6\x9a'],
  ['Windows metafile', ' EMF', 40],
  ['BLP', 'BLP1'],
  ['BLP', 'BLP2'],
  ['Microsoft Paint', 'DanM'],
  ['Microsoft Paint', 'LinS'],
  ['FLIF', 'FLIF'],
  ['farbfeld', 'farbfeld'],
  ['GIMP', 'gimp xcf'],
  ['JBIG2', '\x97\x4a\x42\x32\r\n\x1a\n'],
  ['DjVu', 'AT&TFORM'],
  ['BPG', 'BPG\xfb'],
  ['KTX', '\xabKTX'],
  ['PVR', 'PVR\x03'],
  ['Paint Shop Pro', 'Paint Shop Pro'],
  ['IM', 'Image type:'],
  ['DICOM', 'DICM', 128],
  ['PFM', 'Pf\n'],
  ['PFM', 'PF\n'],
  ['PAM', 'P7\n'],
  ['raw camera', 'IIRO'],
  ['raw camera', 'IIRS'],
  ['raw camera', 'MMOR'],
  ['raw camera', 'IIU\0'],
  ['raw camera', 'FUJIFILMCCD-RAW'],
  ['raw camera', 'FOVb'],
  ['raw camera', '\0MRM'],
  ['raw camera', 'CR\x02\0', 8],
  ['AVI video', 'AVI ', 8],
  ['Matroska video', '\x1a\x45\xdf\xa3'],
  ['Ogg', 'OggS'],
]

/** The image coding that an ISO base media file says it holds; undefined for other files. */
function isoName(brand: string): string {
  if (/^(heic|heix|heim|heis|hevc|hevx|mif1|msf1)$/.test(brand)) return 'HEIC'
  return brand === 'crx ' ? 'raw camera' : `ISO media (${brand.trim()})`
}

/** Headers without a signature: their fields have to make sense together. */
function nameByHeader(bytes: Uint8Array): string | undefined {
  if (bytes.length < 18) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [first, second, third] = [bytes[0]!, bytes[1]!, bytes[2]!]
  if (first === 0x0a && [0, 2, 3, 4, 5].includes(second) && third <= 1 && [1, 2, 4, 8].includes(bytes[3]!)) return 'PCX'
  if (view.getUint32(0) === 0x0000_0200 && view.getUint16(4, true) > 0 && bytes[9] === 0) return 'cursor'
  if (
    [40, 108, 124].includes(view.getUint32(0, true)) &&
    view.getUint16(12, true) === 1 &&
    [1, 4, 8, 16, 24, 32].includes(view.getUint16(14, true))
  ) {
    return 'DIB'
  }
  if (view.getUint32(0) >= 100 && view.getUint32(0) < 512 && view.getUint32(4) === 7 && view.getUint32(8) <= 2) return 'X window dump'
  return isTarga(bytes, view) ? 'TGA' : undefined
}

function isTarga(bytes: Uint8Array, view: DataView): boolean {
  if (ascii(bytes, bytes.length - 18, 16) === 'TRUEVISION-XFILE') return true
  const [map, kind, depth] = [bytes[1]!, bytes[2]!, bytes[16]!]
  const [width, height] = [view.getUint16(12, true), view.getUint16(14, true)]
  if (width === 0 || height === 0 || (bytes[17]! & 0xc0) !== 0) return false
  const mapped = kind === 1 || kind === 9
  const fits = mapped
    ? map === 1 && [15, 16, 24, 32].includes(bytes[7]!) && [8, 16].includes(depth)
    : map === 0 && ([2, 10].includes(kind) ? [15, 16, 24, 32] : [3, 11].includes(kind) ? [8, 16] : []).includes(depth)
  const packed = kind >= 9
  return fits && (packed || bytes.length >= 18 + width * height * Math.ceil(depth / 8))
}

/**
 * Files that are pictures, or films, but not of a format that is read here: its name for people.
 * @param brand of an ISO base media file
 */
export function unsupportedFormat(bytes: Uint8Array, brand: string | undefined): string | undefined {
  if (brand !== undefined) return isoName(brand)
  const start = ascii(bytes, 0, 256)
  const found = signatures.find(([, text, at = 0]) => start.startsWith(text, at))
  if (found !== undefined) return found[0]
  const text = ascii(bytes, 0, 1024)
  if (/^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]/s.test(text)) return 'SVG'
  if (/^(\/\*.*?\*\/\s*)?#define\s+\w*_?width\s+\d+/s.test(text)) return 'XBM'
  return nameByHeader(bytes)
}
