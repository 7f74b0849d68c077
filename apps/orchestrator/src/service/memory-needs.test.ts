import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RunSpec } from '@layermill/contracts'
import { errorCode } from '@layermill/core'
import { fineTunedNetwork, getNetwork, networkDescription } from '@layermill/models'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MemoryNeeds, orchestratorBytes } from './memory-needs.js'

const gib = 2 ** 30
const finetune = (model: string, more: object = {}): RunSpec =>
  RunSpec.parse({ kind: 'finetune', source: '/images', out: '/out', model, base: 'full', ...more })
const extract = (model: string): RunSpec => RunSpec.parse({ kind: 'extract', source: '/images', out: '/out', model })

/** Code of the refusal with so many bytes; undefined where the run is let through. */
const refusal = async (spec: RunSpec, limit: number): Promise<string | undefined> =>
  new MemoryNeeds(limit).checkSpec(spec).then(() => undefined, errorCode)

describe('fine-tuning into the base', () => {
  const bytes = (model: string, more: object = {}): number => orchestratorBytes(finetune(model, more), getNetwork(model))

  it('of VGG16 needs more than 3 GiB, and is refused where there are 1 or 2', async () => {
    const spec = finetune('vgg16')
    expect(bytes('vgg16') / gib).toBeGreaterThan(3)
    expect(bytes('vgg16') / gib).toBeLessThan(4)
    for (const limit of [gib, 2 * gib]) {
      await expect(new MemoryNeeds(limit).checkSpec(spec)).rejects.toMatchObject({
        code: 'MEMORY_TOO_SMALL',
        message: expect.stringMatching(/fine-tuning vgg16 .* at least 3\.\d GiB .* has [12]\.0 GiB/) as string,
        hint: expect.stringContaining('--exchange bfloat16') as string,
      })
    }
    expect(await refusal(spec, 6 * gib)).toBeUndefined()
  })

  it('of ResNet-50 and GoogLeNet fits into 1 GiB, of VGG19 it does not', async () => {
    for (const model of ['resnet50', 'googlenet']) expect(await refusal(finetune(model), gib)).toBeUndefined()
    expect(await refusal(finetune('vgg19'), gib)).toBe('MEMORY_TOO_SMALL')
  })

  it('needs less with one value less for the optimizer, with shorter numbers, and where little learns', async () => {
    expect(bytes('vgg16', { optimizer: 'momentum' })).toBeLessThan(bytes('vgg16'))
    expect(bytes('vgg16', { exchange: 'bfloat16' })).toBeLessThan(bytes('vgg16'))
    expect(bytes('vgg16', { base: 'frozen' })).toBeLessThan(gib)
    expect(await refusal(finetune('vgg16', { base: 'frozen' }), gib)).toBeUndefined()
  })
})

it('extraction needs the weights', async () => {
  expect(await refusal(extract('vgg16'), gib)).toBeUndefined()
  await expect(new MemoryNeeds(gib / 2).checkSpec(extract('vgg16'))).rejects.toThrow(/vgg16 needs at least 0\.6 GiB .* has 0\.5 GiB/)
  expect(await refusal(extract('resnet50'), gib / 2)).toBeUndefined()
})

describe('models at a place', () => {
  /** Bytes of an orchestrator with no run. */
  const idle = 120e6
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'layermill-memory-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('an ONNX file is refused by the weights in it that would learn, which extraction leaves in the file', async () => {
    const file = fileURLToPath(new URL('../../../../test/conformance/onnx-files/models/tv-resnet18-slim-dynamo.onnx', import.meta.url))
    const { size } = await stat(file)
    // Five copies and the optimizer's two values of nearly all that is in the file.
    expect(await refusal(finetune(file), idle + 5 * size)).toBe('MEMORY_TOO_SMALL')
    expect(await refusal(finetune(file), idle + 7 * size)).toBeUndefined()
    expect(await refusal(finetune(file, { base: 'frozen' }), idle + size)).toBeUndefined()
    expect(await refusal(extract(file), idle)).toBeUndefined()
  })

  it('a fine-tuned model is refused by its description, before its weights are read', async () => {
    const network = fineTunedNetwork(getNetwork('vgg16'), { layer: 'fc7', classes: ['a', 'b'] })
    const description = {
      format: 'layermill-model',
      version: 1,
      network: networkDescription(network),
      classes: ['a', 'b'],
      preparation: { height: 224, width: 224, resample: 'bilinear' },
      weights: { file: 'model.safetensors', sha256: '0'.repeat(64) },
    }
    await writeFile(join(folder, 'model.json'), JSON.stringify(description))
    expect(await refusal(extract(folder), gib / 2)).toBe('MEMORY_TOO_SMALL')
    expect(await refusal(extract(folder), gib)).toBeUndefined()
    expect(await refusal(finetune(folder), 2 * gib)).toBe('MEMORY_TOO_SMALL')
  })

  it('what has to be fetched first, what is not there and specs with other faults are left to those who open them', async () => {
    for (const model of ['https://example.com/model.onnx', join(folder, 'nothing'), join(folder, 'nothing.onnx')])
      expect(await refusal(finetune(model), 1)).toBeUndefined()
    expect(await refusal(finetune('vgg16', { layer: 'nothing' }), 1)).toBeUndefined()
  })
})
