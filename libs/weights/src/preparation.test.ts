import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Architecture, getNetwork, type Network } from '@layermill/models'
import { assembleWeights } from './assemble.js'
import { torchvisionKey } from './names/scheme.js'
import { openFile } from '@layermill/core'
import { openTensorFile } from './readers/detect.js'
import { fabricate, small } from './testing/fabricate.js'
import { kerasResnet, writeKeras } from './testing/keras.js'
import type { WeightSet } from './types.js'
import { writeWeightsNpz } from './writers/npz.js'
import { safetensorsBytes, writeWeightsSafetensors } from './writers/safetensors.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-preparation-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const torchvisionShapes = new Map([...small.resnet50].filter(([name]) => name !== 'conv1/b'))

async function read(path: string, id: string, shapes: ReadonlyMap<string, readonly number[]>): Promise<WeightSet> {
  const file = await openFile(path)
  const opened = await openTensorFile(file)
  try {
    const { architecture, family } = getNetwork(id)
    return await assembleWeights({ ...opened, path: file.path }, { id, architecture, family }, shapes, 'test')
  } finally {
    await opened.close()
    await file.close()
  }
}

async function kerasFile(name: string): Promise<string> {
  const path = join(folder, name)
  await writeKeras(
    path,
    kerasResnet(fabricate(small.resnet50), channels => new Float32Array(channels)),
    2,
  )
  return path
}

/** A file with torchvision's keys of a few parameters, as `safetensors.torch.save_file` writes it. */
async function torchFile(
  name: string,
  architecture: Architecture = 'resnet50',
  shapes: ReadonlyMap<string, readonly number[]> = torchvisionShapes,
): Promise<string> {
  const tensors = new Map([...fabricate(shapes)].map(([parameter, tensor]) => [torchvisionKey(architecture, parameter)!, tensor]))
  const path = join(folder, name)
  await writeFile(path, safetensorsBytes(tensors, { format: 'pt' }))
  return path
}

const target = (id: string): Pick<Network, 'id' | 'architecture' | 'family'> => getNetwork(id)

describe('how images are prepared for weights', () => {
  it("is Keras's for Keras's, and stays so when they are converted", async () => {
    const weights = await read(await kerasFile('keras.h5'), 'resnet50', small.resnet50)
    expect(weights.preparation).toMatchObject({
      name: 'keras',
      from: 'names',
      preparation: { mean: [103.939, 116.779, 123.68], channels: 'bgr' },
    })
    const [npz, safetensors] = [join(folder, 'converted.npz'), join(folder, 'converted.safetensors')]
    await writeWeightsNpz(npz, 'resnet50', weights)
    await writeWeightsSafetensors(safetensors, target('resnet50'), weights)
    for (const path of [npz, safetensors]) {
      const again = await read(path, 'resnet50', small.resnet50)
      expect(again.preparation).toEqual({ ...weights.preparation, from: 'file' })
      expect(again.sha256).toBe(weights.sha256)
    }
  })

  it("is Keras's for what an earlier version converted from Keras, which says the epsilon only", async () => {
    const path = join(folder, 'earlier.npz')
    const { preparation: _preparation, origin: _origin, ...weights } = await read(await kerasFile('keras-2.h5'), 'resnet50', small.resnet50)
    await writeWeightsNpz(path, 'resnet50', weights)
    expect((await read(path, 'resnet50', small.resnet50)).preparation).toMatchObject({ name: 'keras', from: 'file' })
  })

  it("is Chainer's for what has Chainer's names", async () => {
    const path = join(folder, 'chainer.safetensors')
    await writeFile(path, safetensorsBytes(fabricate(small.resnet50)))
    expect((await read(path, 'resnet50', small.resnet50)).preparation).toMatchObject({
      name: 'chainer',
      preparation: { mean: [103.063, 115.903, 123.152] },
    })
  })

  it("is that of torchvision's V1 where names are all there is", async () => {
    const { preparation } = await read(await torchFile('names.safetensors'), 'resnet50.tv', torchvisionShapes)
    expect(preparation).toMatchObject({
      name: 'torchvision',
      from: 'names',
      preparation: { resize: { kind: 'crop', shortSide: 256 }, resample: 'bilinear' },
    })
  })

  it("is what transformers' preprocessor_config.json beside says, before timm's config.json", async () => {
    const own = await mkdtemp(join(folder, 'transformers-'))
    const path = await torchFile(join(own, 'model.safetensors').slice(folder.length + 1))
    await writeFile(
      join(own, 'config.json'),
      JSON.stringify({ architecture: 'resnet50', pretrained_cfg: { crop_mode: 'squash', input_size: [3, 96, 96] } }),
    )
    const found = await read(path, 'resnet50.tv', torchvisionShapes)
    expect(found.preparation).toMatchObject({ from: 'config.json', inputSize: [96, 96], preparation: { resize: { to: { by: 'size' } } } })
    const processor = { feature_extractor_type: 'ConvNextFeatureExtractor', size: 192, crop_pct: 0.9 }
    await writeFile(join(own, 'preprocessor_config.json'), JSON.stringify(processor))
    const again = await read(path, 'resnet50.tv', torchvisionShapes)
    expect(again.preparation).toMatchObject({
      name: 'transformers:ConvNextImageProcessor',
      from: 'preprocessor_config.json',
      inputSize: [192, 192],
      preparation: { resize: { to: { by: 'short', side: 213 }, crop: { size: [192, 192], rounding: 'floor' } } },
    })
    expect(again.notes).toBeUndefined()
    await writeFile(join(own, 'preprocessor_config.json'), JSON.stringify({ image_processor_type: 'DonutImageProcessor' }))
    const other = await read(path, 'resnet50.tv', torchvisionShapes)
    expect(other.preparation).toMatchObject({ name: 'torchvision', from: 'names' })
    expect(other.notes?.join()).toMatch(/preprocessor_config\.json: DonutImageProcessor cannot be done here: it resizes twice.*--prepare/)
  })

  it("is what timm's config.json beside says, where it is of that network", async () => {
    const path = await torchFile('model.safetensors')
    const pretrained = {
      tag: 'a1_in1k',
      input_size: [3, 224, 224],
      interpolation: 'bicubic',
      crop_pct: 0.95,
      crop_mode: 'center',
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    }
    const beside = async (config: unknown) => {
      await writeFile(join(folder, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config))
      return (await read(path, 'resnet50.tv', torchvisionShapes)).preparation
    }
    expect(await beside({ architecture: 'resnet50', pretrained_cfg: pretrained })).toMatchObject({
      name: 'timm:a1_in1k',
      from: 'config.json',
      inputSize: [224, 224],
      preparation: { resize: { kind: 'share', share: 0.95 }, resample: 'bicubic' },
    })
    expect(await beside({ architecture: 'resnet50', pretrained_cfg: { ...pretrained, input_size: [3, 160, 160] } })).toMatchObject({
      inputSize: [160, 160],
    })
    for (const other of [{ architecture: 'resnet101', pretrained_cfg: pretrained }, { model_type: 'resnet' }, '{', '']) {
      expect(await beside(other)).toMatchObject({ name: 'torchvision', from: 'names' })
    }
  })

  describe('a config.json beside the file', () => {
    const timm = (more: object): object => ({ architecture: 'resnet50', pretrained_cfg: {}, ...more })
    const beside = async (config: object): Promise<WeightSet> => {
      const path = await torchFile('model.safetensors')
      await writeFile(join(folder, 'config.json'), JSON.stringify(config))
      return read(path, 'resnet50.tv', torchvisionShapes)
    }

    it.each([
      [timm({ architecture: 'resnetaa50' }), /is a resnetaa50/],
      [timm({ architecture: 'resnetblur50' }), /is a resnetblur50/],
      [timm({ model_args: { output_stride: 8 } }), /another output_stride/],
      [{ model_type: 'resnet', downsample_in_bottleneck: true }, /downsample_in_bottleneck/],
      [{ model_type: 'resnet', downsample_in_first_stage: true }, /downsample_in_first_stage/],
      [{ model_type: 'resnet', hidden_act: 'gelu' }, /gelu in place of relu/],
    ])('that tells of another network with the same tensors refuses it: %j', async (config, message) => {
      await expect(beside(config)).rejects.toMatchObject({
        code: 'WEIGHTS_MISMATCH',
        message,
        hint: expect.stringContaining('config.json') as unknown,
      })
    })

    it.each([
      timm({}),
      timm({ architecture: 'tv_resnet50' }),
      timm({ global_pool: 'avg', model_args: { output_stride: 32, drop_rate: 0.1, act_layer: null } }),
      { model_type: 'resnet', downsample_in_bottleneck: false, hidden_act: 'relu' },
      { model_type: 'bit', hidden_act: 'gelu' },
    ])('that tells of this network takes it: %j', async config => {
      expect((await beside(config)).variant).toEqual({})
    })

    it('that tells of another pooling leaves the head out, and says so', async () => {
      const { variant, notes } = await beside(timm({ global_pool: 'max' }))
      expect(variant).toEqual({ without: ['fc6'] })
      expect(notes?.join()).toContain("it pools by 'max', not by the mean (config.json)")
    })
  })

  it('is refused where a file names one that is none', async () => {
    const tensors = fabricate(small.resnet50)
    const write = async (name: string, text: string): Promise<string> => {
      const path = join(folder, name)
      await writeFile(path, safetensorsBytes(tensors, { 'layermill.network': 'resnet50', 'layermill.preparation': text }))
      return path
    }
    await expect(read(await write('bad.safetensors', '{"name":"mine"}'), 'resnet50', small.resnet50)).rejects.toMatchObject({
      code: 'WEIGHTS_FORMAT',
    })
    await expect(read(await write('unknown.safetensors', 'nobody'), 'resnet50', small.resnet50)).rejects.toMatchObject({
      code: 'PREPARATION_UNKNOWN',
    })
    expect((await read(await write('named.safetensors', 'keras'), 'resnet50', small.resnet50)).preparation).toMatchObject({
      name: 'keras',
      from: 'file',
    })
  })
})
