import { readFile } from 'node:fs/promises'
import { loadResized, prepareImage, type Resample } from '@layermill/preprocess'
import { getNetwork } from '@layermill/models'
import { describe, expect, it } from 'vitest'

interface Stored {
  files: Record<string, string>
  cases: { kind: string; height: number; width: number; resample: Resample; autoOrient: boolean; stored: number[]; rgb: string }[]
}

const { files, cases } = JSON.parse(await readFile(new URL('draft.json', import.meta.url), 'utf8')) as Stored
const bytesOf = (kind: string): Uint8Array => Buffer.from(files[kind]!, 'base64')

describe("--decode draft, against Pillow's Image.draft and resize", () => {
  it.each(cases)('$kind to $width x $height by $resample: the same bytes', async ({ kind, height, width, resample, autoOrient, rgb }) => {
    const image = await loadResized(bytesOf(kind), [height, width], { decode: 'draft', resample, autoOrient })
    expect(Buffer.from(image.data).equals(Buffer.from(rgb, 'base64'))).toBe(true)
    const exact = await loadResized(bytesOf(kind), [height, width], { resample, autoOrient })
    expect(Buffer.from(exact.data).equals(Buffer.from(rgb, 'base64')), 'a scale was taken').toBe(false)
  })

  it('tells the whole size of a picture, turned where it is', async () => {
    const { preparation } = getNetwork('googlenet')
    const turned = bytesOf('RGB{"orientation": 6}')
    const small = { size: [12, 12], decode: 'draft' } as const
    expect(await prepareImage(turned, preparation, small)).toMatchObject({ width: 131, height: 97, inputHeight: 12, inputWidth: 12 })
    expect(await prepareImage(turned, preparation, { ...small, autoOrient: true })).toMatchObject({ width: 97, height: 131 })
  })

  it('decodes exactly where less than twice the size would be left', async () => {
    const [bytes, size] = [bytesOf('RGB{"subsampling": 2}'), [97, 131] as const]
    expect(await loadResized(bytes, size, { decode: 'draft' })).toEqual(await loadResized(bytes, size))
  })

  it('says of a damaged file what the exact decoder says', async () => {
    const cut = bytesOf('RGB{"subsampling": 2}').subarray(0, 2500)
    await expect(loadResized(cut, [6, 6], { decode: 'draft' })).rejects.toMatchObject({ code: 'IMAGE_TRUNCATED' })
    await expect(loadResized(bytesOf('L{}'), [6, 6], { decode: 'draft', maxPixels: 1000 })).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
    })
  })
})
