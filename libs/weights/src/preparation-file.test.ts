import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { preparationFrom, preparationFromFile, preparationFromMetadata } from '@layermill/models'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { folderPreparation, isPreparationPlace, readPreparation } from './preparation-file.js'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-preparation-file-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

let made = 0
async function folderOf(files: Readonly<Record<string, unknown>>): Promise<string> {
  const folder = join(root, `model-${made++}`)
  await mkdir(folder)
  for (const [name, value] of Object.entries(files))
    await writeFile(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value))
  return folder
}

const clip = { image_processor_type: 'CLIPImageProcessor', size: 96, crop_size: 80 }
const timm = {
  architecture: 'vit_tiny',
  pretrained_cfg: { tag: 'in1k', input_size: [3, 64, 64], test_input_size: [3, 96, 96], crop_pct: 0.9 },
}
const invalid = (text: string | RegExp): unknown =>
  expect.objectContaining({
    code: 'PREPARATION_INVALID',
    message: text instanceof RegExp ? (expect.stringMatching(text) as string) : (expect.stringContaining(text) as string),
  })

describe('a folder says how pictures are prepared', () => {
  it('by the nested file of newer versions first, then by preprocessor_config.json, then by config.json of timm', async () => {
    const nested = { processor_class: 'CLIPProcessor', image_processor: { ...clip, crop_size: 72 } }
    const all = { 'processor_config.json': nested, 'preprocessor_config.json': clip, 'config.json': timm }
    expect(await folderPreparation(await folderOf(all))).toMatchObject({ inputSize: [72, 72], file: 'processor_config.json' })
    const { 'processor_config.json': _nested, ...two } = all
    expect(await folderPreparation(await folderOf(two))).toMatchObject({ inputSize: [80, 80], name: 'transformers:CLIPImageProcessor' })
    expect(await readPreparation(await folderOf({ 'config.json': timm }))).toMatchObject({ inputSize: [64, 64], name: 'timm:in1k' })
    expect(await folderPreparation(await folderOf({ 'config.json': { model_type: 'resnet' } }))).toBeUndefined()
    expect(
      await folderPreparation(
        await folderOf({ 'processor_config.json': { processor_class: 'CLIPProcessor' }, 'preprocessor_config.json': clip }),
      ),
    ).toMatchObject({
      file: 'preprocessor_config.json',
    })
  })

  it('by the type of its model, where the file names no class', async () => {
    const folder = await folderOf({ 'preprocessor_config.json': { size: 112 }, 'config.json': { model_type: 'convnextv2' } })
    expect(await readPreparation(folder)).toMatchObject({ name: 'transformers:ConvNextImageProcessor', inputSize: [112, 112] })
    expect(await readPreparation(join(folder, 'preprocessor_config.json'))).toMatchObject({ inputSize: [112, 112] })
    await expect(readPreparation(await folderOf({ 'preprocessor_config.json': { size: 112 } }))).rejects.toThrow(
      invalid('image_processor_type'),
    )
  })

  it("with timm's size for tests on request", async () => {
    const path = join(await folderOf({ 'config.json': timm }), 'config.json')
    expect((await readPreparation(`${path}#test`)).inputSize).toEqual([96, 96])
    expect((await readPreparation(path)).inputSize).toEqual([64, 64])
  })

  it.each([
    ['no.json', undefined, /cannot be read/],
    ['cut.json', '{"size": ', /is not JSON/],
    ['list.json', [1, 2], /does not say/],
    ['other.json', { model_type: 'resnet' }, /does not say/],
    ['class.json', { image_processor_type: 'DonutImageProcessor' }, /DonutImageProcessor cannot be done here: it resizes twice/],
    ['unknown.json', { image_processor_type: 'NovelImageProcessor' }, /the way of NovelImageProcessor is not known here/],
    ['size.json', { ...clip, size: -3 }, /size is -3, expected a number, or sides/],
    ['huge.json', { ...clip, size: { shortest_edge: 1e9 } }, /size is/],
    ['filter.json', { ...clip, resample: 9 }, /resample is 9/],
    ['text-filter.json', { ...clip, resample: 'bicubic' }, /resample is "bicubic"/],
    ['std.json', { ...clip, image_std: [0, 1, 1] }, /image_std/],
    ['factor.json', { ...clip, rescale_factor: 0 }, /rescale_factor is 0/],
    ['flag.json', { ...clip, do_resize: 'yes' }, /do_resize is "yes", expected true or false/],
    ['sides.json', { ...clip, size: { height: 5 } }, /size is/],
    ['timm-mean.json', { architecture: 'x', pretrained_cfg: { mean: [1, 2] } }, /mean is \[1,2\]/],
    [
      'timm-channels.json',
      { architecture: 'x', pretrained_cfg: { input_size: [1, 28, 28] } },
      /input_size is \[1,28,28\], expected 3 channels/,
    ],
    ['timm-filter.json', { architecture: 'x', pretrained_cfg: { interpolation: 'random' } }, /interpolation is "random"/],
    ['own.json', { channels: 'rgb', resize: { kind: 'rule' } }, /expected channels, divisor/],
  ])('is refused by name: %s', async (name, value, message) => {
    const folder = await folderOf(value === undefined ? {} : { [name]: value })
    const error = await readPreparation(join(folder, name)).catch((caught: unknown) => caught)
    expect(error).toEqual(invalid(message))
    expect((error as Error).message).toContain(name)
  })

  it('where a place is told from a name', () => {
    for (const place of ['./clip', 'preprocessor_config.json', 'config.json#test', '/models/clip/'])
      expect(isPreparationPlace(place), place).toBe(true)
    for (const name of ['torchvision', 'timm:a1_in1k', 'torchvision:ResNet50_Weights.IMAGENET1K_V2'])
      expect(isPreparationPlace(name), name).toBe(false)
  })

  it('takes a folder that is there without ./ before it, but for the name of a preparation', async () => {
    const folder = await folderOf({ 'preprocessor_config.json': clip })
    const before = process.cwd()
    try {
      process.chdir(root)
      expect(isPreparationPlace(basename(folder))).toBe(true)
      expect(await readPreparation(`${basename(folder)}#torchvision`)).toMatchObject({ inputSize: [80, 80] })
      expect(isPreparationPlace('no-such-folder')).toBe(false)
      await mkdir('chainer')
      await writeFile('chainer/preprocessor_config.json', '{}')
      expect(isPreparationPlace('chainer')).toBe(false)
    } finally {
      process.chdir(before)
    }
  })
})

describe('a preparation of a file', () => {
  it('is read again from its own JSON, with every kind of rule', () => {
    const files = [
      clip,
      { image_processor_type: 'PerceiverImageProcessor' },
      { image_processor_type: 'SamImageProcessor' },
      { image_processor_type: 'EfficientNetImageProcessor', rescale_offset: true },
      { image_processor_type: 'MobileViTImageProcessor' },
      { image_processor_type: 'ViTImageProcessor', size: { shortest_edge: 50, longest_edge: 90 }, resample: 5 },
      { image_processor_type: 'DPTImageProcessor', keep_aspect_ratio: true, ensure_multiple_of: 14 },
      { architecture: 'x', pretrained_cfg: { crop_mode: 'border', input_size: [3, 30, 40] } },
    ]
    for (const file of files) {
      const { preparation } = preparationFromFile(file, { where: 'file' })
      expect(preparationFrom(JSON.parse(JSON.stringify(preparation)))).toEqual(preparation)
      const own = preparationFromFile({ name: 'mine', preparation }, { where: 'file' })
      expect(own).toMatchObject({ name: 'mine', preparation })
    }
  })

  it('is found among the texts of a network', () => {
    const found = (key: string, value: unknown): unknown =>
      preparationFromMetadata(
        new Map([
          ['producer', 'x'],
          [key, JSON.stringify(value)],
        ]),
        'vit.onnx',
      )
    expect(found('preprocessor_config', clip)).toMatchObject({ inputSize: [80, 80] })
    expect(found('pretrained_cfg', timm.pretrained_cfg)).toMatchObject({ inputSize: [64, 64] })
    const input = { channels: 'bgr', divisor: 1, mean: [1, 2, 3], std: [1, 1, 1], resize: { kind: 'exact' } }
    expect(found('layermill.preparation', { height: 96, width: 128, resample: 'bilinear', autoOrient: false, input })).toMatchObject({
      inputSize: [96, 128],
      preparation: { ...input, resample: 'bilinear' },
    })
    expect(found('description', clip)).toBeUndefined()
    expect(() => found('preprocessor_config', [])).toThrow(invalid('vit.onnx'))
    expect(() => preparationFromMetadata(new Map([['transforms', '{']]), 'vit.onnx')).toThrow(invalid("'transforms' is not JSON"))
  })
})
