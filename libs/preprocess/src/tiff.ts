import { LayermillError } from '@layermill/core'
import { TiffDirectory, tiffTags } from './tiff-directory.js'

/** Compressions that are decoded to the right pixels, by the bits of a sample that they may hold. */
const readCompressions: ReadonlyMap<number, 'any' | 'bilevel' | 'bytes'> = new Map([
  [1, 'any'],
  [2, 'bilevel'],
  [3, 'bilevel'],
  [4, 'bilevel'],
  [5, 'any'],
  [7, 'bytes'],
  [8, 'any'],
  [32773, 'any'],
  [32946, 'any'],
  [50001, 'bytes'],
] as const)

const compressionNames: Readonly<Record<number, string>> = {
  2: 'CCITT RLE',
  3: 'CCITT group 3',
  4: 'CCITT group 4',
  6: 'old-style JPEG',
  7: 'JPEG',
  9: 'JBIG',
  10: 'JBIG',
  22610: 'JPEG XR',
  32766: 'NeXT',
  32771: 'CCITT RLE with words',
  32809: 'ThunderScan',
  32895: 'IT8',
  32896: 'IT8',
  32897: 'IT8',
  32898: 'IT8',
  32908: 'Pixar film',
  32909: 'Pixar log',
  33003: 'JPEG 2000',
  33004: 'JPEG 2000',
  33005: 'JPEG 2000',
  33007: 'JPEG',
  34661: 'JBIG',
  34676: 'SGI log',
  34677: 'SGI log',
  34712: 'JPEG 2000',
  34887: 'LERC',
  34892: 'lossy JPEG of DNG',
  34925: 'LZMA',
  34926: 'ZSTD',
  34927: 'WebP',
  34933: 'PNG',
  34934: 'JPEG XR',
  50000: 'ZSTD',
  50001: 'WebP',
  50002: 'JPEG XL',
  52546: 'JPEG XL of DNG',
}

const photometricNames: Readonly<Record<number, string>> = {
  4: 'a transparency mask',
  6: 'YCbCr that is not JPEG',
  8: 'CIE Lab colours',
  9: 'ICC Lab colours',
  10: 'ITU Lab colours',
  32803: 'a colour filter array (raw)',
  32844: 'logarithmic luminance',
  32845: 'logarithmic Luv colours',
  34892: 'linear raw samples',
  51177: 'depth',
  52527: 'a semantic mask',
}

const sampleFormats: Readonly<Record<number, string>> = {
  2: 'signed',
  3: 'floating-point',
  4: 'undefined',
  5: 'complex signed',
  6: 'complex floating-point',
}

/** Samples of a pixel, and bits of a sample, that each reading of them may have. */
const readPhotometrics: Readonly<Record<number, { name: string; samples: readonly [number, number]; bits: readonly number[] }>> = {
  0: { name: 'grey', samples: [1, 2], bits: [1, 2, 4, 8, 16] },
  1: { name: 'grey', samples: [1, 2], bits: [1, 2, 4, 8, 16] },
  2: { name: 'RGB', samples: [3, 5], bits: [8, 16] },
  3: { name: 'palette', samples: [1, 1], bits: [1, 2, 4, 8] },
  5: { name: 'CMYK', samples: [4, 5], bits: [8] },
  6: { name: 'YCbCr', samples: [3, 3], bits: [8] },
}

const unsupported = (what: string): LayermillError =>
  new LayermillError('IMAGE_UNSUPPORTED', `TIFF files with ${what} are not read`, {
    hint: 'Convert it to an uncompressed, LZW, deflate or JPEG TIFF of 8-bit RGB, or to PNG.',
  })

/** Facts from the first directory that say how its picture is read. */
export interface TiffPicture {
  readonly width: number
  readonly height: number
  /** Of one tile; 0 in files of strips. */
  readonly tilePixels: number
  readonly cmyk: boolean
  /** Colours are multiplied with alpha (`ExtraSamples` 1). */
  readonly premultiplied: boolean
  readonly directory: TiffDirectory
}

function checkCompression(compression: number, bits: number, samples: number): void {
  const name = compressionNames[compression]
  const named = name === undefined ? `compression ${compression}` : `${name} compression (${compression})`
  const reads = readCompressions.get(compression)
  if (reads === undefined) throw unsupported(named)
  if (reads === 'bilevel' && (bits !== 1 || samples !== 1)) throw unsupported(`${named} of ${samples} samples of ${bits} bits`)
  if (reads === 'bytes' && bits !== 8) throw unsupported(`${named} of ${bits}-bit samples`)
}

/** Pixels of the largest tile: a decoder allocates a whole one, whatever the size of the picture. */
const maxTilePixels = 1 << 26

function tilePixels(directory: TiffDirectory): number {
  const [width, height] = [directory.number(tiffTags.tileWidth) ?? 0, directory.number(tiffTags.tileLength) ?? 0]
  if (width * height <= maxTilePixels) return width * height
  throw new LayermillError('IMAGE_TOO_LARGE', `tiles of ${width}x${height} pixels, at most ${maxTilePixels} are decoded`)
}

/** @throws LayermillError IMAGE_UNSUPPORTED */
function checkSamples(directory: TiffDirectory): { bits: number; samples: number } {
  for (const format of directory.numbers(tiffTags.sampleFormat) ?? []) {
    if (format !== 1) throw unsupported(`${sampleFormats[format] ?? `unknown (${format})`} samples`)
  }
  const all = directory.numbers(tiffTags.bitsPerSample) ?? [1]
  const bits = all[0] ?? 1
  if (all.some(other => other !== bits)) throw unsupported(`samples of different sizes (${all.slice(0, 8).join(', ')} bits)`)
  return { bits, samples: directory.number(tiffTags.samplesPerPixel) ?? 1 }
}

function checkPhotometric(photometric: number | undefined, compression: number, bits: number, samples: number): void {
  if (photometric === undefined) throw unsupported('no photometric interpretation')
  const reads = readPhotometrics[photometric]
  if (reads === undefined || (photometric === 6 && compression !== 7)) {
    throw unsupported(photometricNames[photometric] ?? `photometric interpretation ${photometric}`)
  }
  const [fewest, most] = reads.samples
  if (samples < fewest || samples > most) throw unsupported(`${samples} samples a pixel in ${reads.name}`)
  if (!reads.bits.includes(bits) || (samples === 2 && bits < 8)) throw unsupported(`${reads.name} of ${bits}-bit samples`)
}

/**
 * Looks at the first directory of a TIFF file, in either byte order and in BigTIFF, before the file is decoded: libvips leaves tiles that
 * it cannot decode black, and shows other samples than 8 and 16 bits without sign, and YCbCr that is not JPEG, as colours that they are
 * not. Undefined where the directory lies behind the file's end.
 * @throws LayermillError IMAGE_UNSUPPORTED naming the compression, samples or colours that are not read right; IMAGE_TOO_LARGE by its tiles
 */
export function readTiffPicture(bytes: Uint8Array): TiffPicture | undefined {
  const directory = TiffDirectory.read(bytes)
  if (directory === undefined) return undefined
  const { bits, samples } = checkSamples(directory)
  const compression = directory.number(tiffTags.compression) ?? 1
  const photometric = directory.number(tiffTags.photometric)
  checkCompression(compression, bits, samples)
  checkPhotometric(photometric, compression, bits, samples)
  const separate = directory.number(tiffTags.planarConfiguration) === 2 && samples > 1
  if (separate && directory.has(tiffTags.tileWidth)) throw unsupported('tiles of separate planes')
  if (separate && photometric !== 2 && photometric !== 5) throw unsupported('separate planes of grey and other samples')
  return {
    width: directory.number(tiffTags.imageWidth) ?? 0,
    height: directory.number(tiffTags.imageLength) ?? 0,
    tilePixels: tilePixels(directory),
    cmyk: photometric === 5,
    premultiplied: directory.numbers(tiffTags.extraSamples)?.[0] === 1,
    directory,
  }
}
