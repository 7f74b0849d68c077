/**
 * Files of libraries that say how pictures are prepared, and the values that the libraries make of pictures: `preparations/make.py` wrote
 * them.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  type FilePreparation,
  preparationFromFile,
  type PreparationLibrary,
  torchvisionWeights,
  torchvisionWeightsPreparation,
} from '@layermill/models'
import { SpecPreparation } from '@layermill/contracts'
import { prepareImage } from '@layermill/preprocess'
import { describe, expect, it } from 'vitest'

interface Case {
  readonly name: string
  /** The library refuses the file. */
  readonly refused?: true
  readonly library: PreparationLibrary
  readonly file: unknown
  readonly modelType?: string
  readonly testSize?: boolean
  /** By the library's torchvision variant. */
  readonly tensors?: boolean
  /** By picture, `+exif` where it is turned upright first: shape and SHA-256 of the float32 values (CHW). */
  readonly pictures?: Readonly<Record<string, { readonly shape: readonly number[]; readonly tensor: string }>>
}

const { cases, torchvision } = JSON.parse(await readFile(new URL('preparations/cases.json', import.meta.url), 'utf8')) as {
  cases: Case[]
  /** By the name of torchvision's weights: tiny.png. */
  torchvision: Record<string, { readonly shape: readonly number[]; readonly tensor: string }>
}

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

const read = ({ name, library, file, modelType, testSize, tensors }: Case): FilePreparation =>
  preparationFromFile(file, { where: name, library, modelType, testSize, tensors })

it.each(cases.filter(({ refused }) => refused))('$name is refused, as by the library', refused => {
  expect(() => read(refused)).toThrow(
    expect.objectContaining({ code: 'PREPARATION_INVALID', message: expect.stringContaining(refused.name) as string }),
  )
})

it.each(
  cases.flatMap(one => Object.entries(one.pictures ?? {}).map(([picture, expected]) => ({ one, name: one.name, picture, expected }))),
)('$name of $picture', async ({ one, picture, expected }) => {
  const { tensor, shape } = await prepared(picture, read(one))
  expect(shape).toEqual(expected.shape)
  expect(sha256(bytesOf(tensor)), 'values').toBe(expected.tensor)
})

it.each(cases.filter(({ refused }) => refused !== true))('$name is the same as numbers in a file of ours, and in a spec', one => {
  const { preparation, inputSize } = read(one)
  const written: unknown = JSON.parse(JSON.stringify({ preparation, inputSize }))
  expect(preparationFromFile(written, { where: one.name }).preparation).toEqual(preparation)
  expect(SpecPreparation.parse(written).preparation).toEqual(preparation)
})

it.each([
  ['Owlv2', 'behind a Gaussian blur'],
  ['Donut', 'it resizes twice'],
  ['Siglip2', 'cuts each picture into patches'],
  ['VideoMAE', 'it takes videos'],
])('%s is refused with what it does', (name, reason) => {
  const file = { image_processor_type: `${name}ImageProcessorFast` }
  expect(() => preparationFromFile(file, { where: 'preprocessor_config.json', library: 'transformers' })).toThrow(
    expect.objectContaining({ code: 'PREPARATION_INVALID', message: expect.stringContaining(reason) as string }),
  )
})

it.each([
  ['Vilt', 'become 0x608'],
  ['GLPN', 'become 0x32'],
])('%s refuses a picture that is too narrow for one multiple', async (name, reason) => {
  const { preparation } = preparationFromFile({ image_processor_type: `${name}ImageProcessor` }, { where: name, library: 'transformers' })
  const narrow = { width: 1, height: 50, data: new Uint8Array(150) }
  await expect(prepareImage(narrow, preparation, { size: 'keep' })).rejects.toMatchObject({
    code: 'IMAGE_SIZE',
    message: expect.stringContaining(reason) as string,
  })
})

describe("torchvision's weights", () => {
  it('are all known by name', () => {
    expect(torchvisionWeights().toSorted()).toEqual(Object.keys(torchvision).toSorted())
    expect(torchvisionWeightsPreparation('ResNet50_Weights.DEFAULT')).toEqual(
      torchvisionWeightsPreparation('ResNet50_Weights.IMAGENET1K_V2'),
    )
    expect(torchvisionWeightsPreparation('VGG16_Weights.DEFAULT')).toEqual(torchvisionWeightsPreparation('VGG16_Weights.IMAGENET1K_V1'))
    for (const name of ['ResNet50_Weights.V1', 'toString.DEFAULT', 'ResNet50_Weights.toString', 'ResNet50_Weights.DEFAULT.x', '']) {
      expect(torchvisionWeightsPreparation(name), name).toBeUndefined()
    }
  })
  it.each(Object.entries(torchvision))('%s', async (name, expected) => {
    const { tensor, shape } = await prepared('tiny.png', { name, ...torchvisionWeightsPreparation(name)! })
    expect(shape).toEqual(expected.shape)
    expect(sha256(bytesOf(tensor)), 'values').toBe(expected.tensor)
  })
})
