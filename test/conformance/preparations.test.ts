/** Files of libraries that say how pictures are prepared, and the values that the libraries make of pictures: `preparations/make.py` wrote them. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type FilePreparation, preparationFromFile, type PreparationLibrary } from '@layermill/models'
import { prepareImage } from '@layermill/preprocess'
import { describe, expect, it } from 'vitest'

interface Case {
  readonly name: string
  readonly library: PreparationLibrary
  readonly file: unknown
  readonly modelType?: string
  readonly testSize?: boolean
  /** By picture, `+exif` where it is turned upright first: shape and SHA-256 of the float32 values (CHW). */
  readonly pictures: Readonly<Record<string, { readonly shape: readonly number[]; readonly tensor: string }>>
}

const { cases } = JSON.parse(await readFile(new URL('preparations/cases.json', import.meta.url), 'utf8')) as { cases: Case[] }

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')
const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

async function prepared(picture: string, { preparation, inputSize }: FilePreparation): Promise<{ tensor: Float32Array; shape: number[] }> {
  const [file = '', upright] = picture.split(' ')
  const bytes = await readFile(new URL(`prepare/images/${file}`, import.meta.url))
  const { tensor, inputHeight, inputWidth } = await prepareImage(bytes, preparation, {
    autoOrient: upright !== undefined,
    size: inputSize ?? 'keep',
  })
  return { tensor, shape: [3, inputHeight, inputWidth] }
}

describe.each(cases)('$name', ({ name, library, file, modelType, testSize, pictures }) => {
  it.each(Object.entries(pictures))('%s', async (picture, expected) => {
    const found = preparationFromFile(file, { where: name, library, modelType, testSize })
    const { tensor, shape } = await prepared(picture, found)
    expect(shape).toEqual(expected.shape)
    expect(sha256(bytesOf(tensor)), 'values').toBe(expected.tensor)
  })
})
