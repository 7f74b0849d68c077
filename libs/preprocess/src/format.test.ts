import { describe, expect, it } from 'vitest'
import { endsEarly, readJpegFrame, sniffFormat } from './format.js'

const text = (value: string): Uint8Array => Buffer.from(value, 'latin1')

describe('sniffFormat', () => {
  it.each([
    ['jpeg', '\xff\xd8\xff\xe0'],
    ['png', '\x89PNG\r\n\x1a\n'],
    ['gif', 'GIF89a'],
    ['webp', 'RIFF\0\0\0\0WEBP'],
    ['tiff', 'II*\0'],
    ['tiff', 'MM\0*'],
    ['tiff', 'MM\0+'],
    ['bmp', 'BM'],
    ['avif', '\0\0\0\x1cftypavif'],
    ['pnm', 'P6 1 1 255\n'],
    ['pnm', 'P1\n'],
    ['avif', '\0\0\0\x1cftypmif1\0\0\0\0mif1avif'],
  ])('knows %s', (format, start) => {
    expect(sniffFormat(text(start))).toBe(format)
  })

  it.each([
    ['HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic'],
    ['JPEG XL', '\xff\x0a'],
    ['JPEG 2000', '\0\0\0\x0cjP  \r\n\x87\n'],
    ['SVG', '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'],
    ['PDF', '%PDF-1.7'],
    ['PAM', 'P7\nWIDTH 1\n'],
    ['PFM', 'PF\n1 1\n'],
    ['QOI', 'qoif\0\0\0\x01'],
    ['DDS', 'DDS |'],
    ['OpenEXR', '\x76\x2f\x31\x01'],
    ['JPEG XR', 'II\xbc\x01'],
    ['TGA', `\0\0\x0a${'\0'.repeat(9)}\x02\0\x02\0\x18\0...`],
    ['DICOM', `${'\0'.repeat(128)}DICM`],
    ['Photoshop', '8BPS'],
    ['icon', '\0\0\x01\0'],
  ])('names %s, which is not read', (name, start) => {
    expect(() => sniffFormat(text(start))).toThrow(expect.objectContaining({ code: 'IMAGE_UNSUPPORTED' }))
    expect(() => sniffFormat(text(start))).toThrow(name)
  })

  it.each(['hello', '<html><svg/></html>', '{"a":1}', 'x', '\0'.repeat(100), 'RIFF\0\0\0\0WAVE'])('refuses %j', start => {
    expect(() => sniffFormat(text(start))).toThrow(expect.objectContaining({ code: 'IMAGE_NOT_AN_IMAGE' }))
  })

  it('refuses nothing at all', () => {
    expect(() => sniffFormat(new Uint8Array())).toThrow(expect.objectContaining({ code: 'IMAGE_EMPTY' }))
  })
})

describe('readJpegFrame', () => {
  const frame = '\xff\xc2\0\x0b\x08\0\x10\0\x10\x04'

  it('reads the frame header behind other segments and fill bytes', () => {
    expect(readJpegFrame(text(`\xff\xd8\xff\xee\0\x04ab\xff\xff\xff${frame.slice(1)}...`))).toEqual({
      at: 10,
      width: 16,
      height: 16,
      components: 4,
    })
  })

  it.each(['\xff\xd8', '\xff\xd8\xff\xda\0\x08........', '\xff\xd8garbage.....', `\xff\xd8\xff\xe0\xff\xff${frame}`])(
    'finds none in %j',
    start => {
      expect(readJpegFrame(text(start))).toBeUndefined()
    },
  )
})

it.each(['jpeg', 'png', 'gif', 'webp', 'tiff', 'bmp', 'avif'] as const)('takes the first bytes of %s for an early end', format => {
  expect(endsEarly(text(format === 'avif' ? '\0\0\0\x1cftypavif' : 'II*\0'), format)).toBe(true)
})
