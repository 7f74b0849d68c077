import { readdir, readFile } from 'node:fs/promises'
import { decodeImage, type RgbImage } from '@layermill/preprocess'
import { describe, expect, it } from 'vitest'

/** Files that tifffile, ImageMagick, libvips, GDAL and Pillow wrote (`make-pictures.py`), and what Pillow makes of those that are read. */
interface Pixels {
  width: number
  height: number
  rgb: string
}

const read = async (path: string): Promise<Buffer> => await readFile(new URL(path, import.meta.url))
const known = JSON.parse(String(await read('read.json'))) as Record<string, Pixels & { upright?: Pixels }>
const readNames = await readdir(new URL('read/', import.meta.url))
const refusedNames = await readdir(new URL('refused/', import.meta.url))

/**
 * Largest difference of a level from Pillow's: colours of AVIF are converted in another precision, and 4:2:0 enlarged by another filter.
 */
const tolerance = (name: string): number => (name === '420.avif' ? 100 : /orientation\d\.avif|animated/.test(name) ? 1 : 0)

function expectPixels(actual: RgbImage, expected: Pixels, most: number): void {
  expect([actual.width, actual.height]).toEqual([expected.width, expected.height])
  const rgb = Buffer.from(expected.rgb, 'base64')
  expect(actual.data.length).toBe(rgb.length)
  expect(rgb.reduce((worst, value, i) => Math.max(worst, Math.abs(value - actual.data[i]!)), 0)).toBeLessThanOrEqual(most)
}

describe('pictures that are read', () => {
  it('are all known to Pillow', () => {
    expect(readNames.toSorted()).toEqual(Object.keys(known).toSorted())
  })

  it.each(readNames)('%s has the pixels that Pillow has', async name => {
    expectPixels(await decodeImage(await read(`read/${name}`)), known[name]!, tolerance(name))
  })

  // TIFF files are upright already: Pillow turns them when it loads them.
  it.each(readNames.filter(name => name.startsWith('orientation')))('%s is upright when asked', async name => {
    const { upright, ...stored } = known[name]!
    expectPixels(await decodeImage(await read(`read/${name}`), { autoOrient: true }), upright ?? stored, tolerance(name))
  })
})

/** Reason that the refusal of a file names, by the file's name. */
const reasons: readonly (readonly [RegExp, RegExp])[] = [
  [/jpeg2000|jp2000/, /JPEG 2000 compression/],
  [/jpegxl_dng/, /JPEG XL of DNG compression/],
  [/jpegxl/, /JPEG XL compression/],
  [/jpegxr/, /JPEG XR compression/],
  [/jpeg_lossy/, /lossy JPEG of DNG compression/],
  [/lerc/, /LERC compression/],
  [/zstd/, /ZSTD compression/],
  [/lzma/, /LZMA compression/],
  [/-png/, /PNG compression/],
  [/float/, /floating-point samples/],
  [/uint32|magick-32/, /32-bit samples/],
  [/^int/, /signed samples/],
  [/complex/, /complex floating-point samples/],
  [/(\d+)-bits/, /(3|4|6|12)-bit samples/],
  [/ycbcr/, /YCbCr that is not JPEG/],
  [/lab/, /Lab colours/],
  [/linear_raw/, /linear raw samples/],
  [/cfa/, /colour filter array/],
  [/mask/, /transparency mask/],
  [/bands/, /\d samples a pixel/],
  [/cmyk16/, /16-bit samples/],
  [/planes-in-tiles/, /tiles of separate planes/],
  [/premultiplied\.avif/, /multiplied by alpha/],
  [/\.(jp2|j2k)$/, /JPEG 2000 pictures/],
  [/\.jxl$/, /JPEG XL pictures/],
  [/\.heic$/, /HEIC pictures/],
  [/\.psd$/, /Photoshop pictures/],
  [/\.ico$/, /icon pictures/],
  [/\.hdr$/, /Radiance HDR pictures/],
  [/\.ras$/, /Sun raster pictures/],
  [
    /\.(dpx|fits|miff|mng|jng|viff|xpm|tga|qoi|dds|pcx|sgi|im|dib|pdf|blp|xbm|pfm|pam)$/i,
    /^(DPX|FITS|MIFF|MNG|JNG|VIFF|XPM|TGA|QOI|DDS|PCX|SGI|IM|DIB|PDF|BLP|XBM|PFM|PAM) pictures/,
  ],
  [/\.cin$/, /Cineon pictures/],
  [/\.eps$/, /PostScript pictures/],
  [/\.msp$/, /Microsoft Paint pictures/],
  [/\.xwd$/, /X window dump pictures/],
]

describe('pictures that are not read', () => {
  it.each(refusedNames)('%s is refused by what it is', async name => {
    const reason = reasons.find(([pattern]) => pattern.test(name))?.[1]
    expect(reason).toBeDefined()
    await expect(decodeImage(await read(`refused/${name}`))).rejects.toMatchObject({
      code: 'IMAGE_UNSUPPORTED',
      message: expect.stringMatching(reason!) as string,
    })
  })
})
