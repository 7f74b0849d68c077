import { describe, expect, it } from 'vitest'
import { getNetwork, networkIds } from '../network.js'
import { namedPreparation, nameOfPreparation, preparationNames, preparedAs } from './named.js'
import { preparationFrom, timmConfig } from './schema.js'

const prepared = (name: string, model = 'resnet50') => namedPreparation(name, getNetwork(model))

describe('preparations by name', () => {
  it('gives each library its means', () => {
    expect(prepared('keras').preparation).toMatchObject({ channels: 'bgr', mean: [103.939, 116.779, 123.68], resize: { kind: 'exact' } })
    expect(prepared('chainer').preparation.mean).toEqual([103.063, 115.903, 123.152])
    expect(prepared('chainer', 'vgg19').preparation).toEqual(prepared('keras', 'vgg19').preparation)
    expect(prepared('chainer', 'googlenet').preparation.mean).toEqual([104, 117, 123])
    expect(prepared('torchvision-v2').preparation.resize).toEqual({ kind: 'crop', shortSide: 232 })
    expect(prepared('torchvision', 'googlenet.tv').preparation.mean).toEqual([0.5, 0.5, 0.5])
    expect(prepared('torchvision-plain', 'googlenet.tv').preparation.mean).toEqual([0.485, 0.456, 0.406])
  })

  it("knows timm's tags with their sizes, with or without the model's name", () => {
    expect(prepared('timm:a1_in1k')).toMatchObject({
      inputSize: [224, 224],
      preparation: { resample: 'bicubic', resize: { kind: 'share', share: 0.95 } },
    })
    expect(prepared('timm:resnet50.a1h_in1k')).toMatchObject({ inputSize: [176, 176], preparation: { resize: { share: 0.9 } } })
    expect(prepared('timm:a1h_in1k', 'resnet101.tv')).toMatchObject({ inputSize: [224, 224], preparation: { resize: { share: 0.95 } } })
    expect(prepared('timm:a3_in1k', 'resnet152')).toMatchObject({ inputSize: [160, 160] })
    expect(prepared('timm:tv_in1k', 'vgg16.tv').preparation).toMatchObject({ resample: 'bilinear', resize: { share: 0.875 } })
  })

  it.each([
    ['keras', 'googlenet'],
    ['torchvision-v2', 'vgg16.tv'],
    ['timm:a1_in1k', 'vgg16.tv'],
    ['timm:tv_in1k', 'googlenet.tv'],
    ['timm:toString', 'resnet50'],
    ['toString', 'resnet50'],
    ['', 'resnet50'],
  ])('refuses %j of %s and names what there is', (name, model) => {
    expect(() => prepared(name, model)).toThrow(
      expect.objectContaining({ code: 'PREPARATION_UNKNOWN', message: expect.stringContaining('chainer') as string }),
    )
  })

  it("finds the name of each network's own", () => {
    for (const id of networkIds) {
      const { preparation, architecture } = getNetwork(id)
      expect(nameOfPreparation(preparation, architecture)).toBe(id.endsWith('.tv') ? 'torchvision' : 'chainer')
    }
    for (const name of preparationNames('resnet50')) expect(nameOfPreparation(prepared(name).preparation, 'resnet50')).toBeDefined()
  })

  it('changes the size with the preparation, but not that of a head', () => {
    expect(preparedAs(getNetwork('resnet50.tv'), 'timm:a3_in1k').inputSize).toEqual([160, 160])
    expect(preparedAs(getNetwork('resnet50.tv'), undefined)).toEqual(getNetwork('resnet50.tv'))
    const tuned = { ...getNetwork('resnet50.tv'), head: {}, inputSize: [96, 96] as const }
    expect(preparedAs(tuned, 'timm:a3_in1k')).toMatchObject({ inputSize: [96, 96], preparation: { resample: 'bicubic' } })
  })
})

describe('preparations that others wrote', () => {
  const timm = {
    architecture: 'resnet50',
    num_classes: 1000,
    pretrained_cfg: {
      tag: 'a1_in1k',
      input_size: [3, 224, 224],
      interpolation: 'bicubic',
      crop_pct: 0.95,
      crop_mode: 'center',
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    },
  }
  const changed = (fields: object): unknown => ({ ...timm, pretrained_cfg: { ...timm.pretrained_cfg, ...fields } })

  it("reads timm's config.json", () => {
    expect(timmConfig(timm, 'resnet50')).toEqual({ ...prepared('timm:a1_in1k'), name: 'timm:a1_in1k', from: undefined })
    expect(timmConfig(changed({ tag: 'mine', mean: [0.5, 0.5, 0.5] }), 'resnet50')).toMatchObject({
      name: 'timm:mine',
      preparation: { mean: [0.5, 0.5, 0.5] },
    })
  })

  it.each([
    [timm, 'vgg16'],
    [changed({ crop_mode: 'border' }), 'resnet50'],
    [changed({ interpolation: 'random' }), 'resnet50'],
    [changed({ std: [0, 1, 1] }), 'resnet50'],
    [changed({ input_size: [3, 224, 320] }), 'resnet50'],
    [{ architectures: ['ResNetForImageClassification'] }, 'resnet50'],
    [null, 'resnet50'],
  ])('takes nothing else for it (%#)', (value, architecture) => {
    expect(timmConfig(value, architecture)).toBeUndefined()
  })

  it('reads its own JSON and nothing else', () => {
    for (const name of preparationNames('resnet50')) {
      const { preparation } = prepared(name)
      expect(preparationFrom(JSON.parse(JSON.stringify(preparation)))).toEqual(preparation)
    }
    const { preparation } = prepared('keras')
    for (const bad of [
      { channels: 'rgba' },
      { divisor: 2 },
      { mean: [1, 2] },
      { std: [0, 1, 1] },
      { resize: { kind: 'crop' } },
      { resize: { kind: 'share', share: 2 } },
      { resample: 'box' },
    ]) {
      expect(preparationFrom({ ...preparation, ...bad })).toBeUndefined()
    }
  })
})
