import { RunSpec } from '@layermill/contracts'
import { describe, expect, it } from 'vitest'
import { checkMemory, MemoryNeeds, orchestratorBytes } from './memory-needs.js'

const gib = 2 ** 30
const finetune = (model: string, more: object = {}): RunSpec =>
  RunSpec.parse({ kind: 'finetune', source: '/images', out: '/out', model, base: 'full', ...more })
const extract = (model: string): RunSpec => RunSpec.parse({ kind: 'extract', source: '/images', out: '/out', model })

describe('fine-tuning into the base', () => {
  it('of VGG16 needs more than 3 GiB, and is refused where there are 1 or 2', async () => {
    const spec = finetune('vgg16')
    expect(orchestratorBytes(spec)! / gib).toBeGreaterThan(3)
    expect(orchestratorBytes(spec)! / gib).toBeLessThan(4)
    for (const limit of [gib, 2 * gib]) {
      expect(() => checkMemory(spec, limit)).toThrow(
        expect.objectContaining({
          code: 'MEMORY_TOO_SMALL',
          message: expect.stringMatching(/fine-tuning vgg16 .* at least 3\.\d GiB .* has [12]\.0 GiB/) as string,
          hint: expect.stringContaining('--exchange bfloat16') as string,
        }),
      )
    }
    await expect(new MemoryNeeds(gib).checkSpec(spec)).rejects.toMatchObject({ code: 'MEMORY_TOO_SMALL' })
    await new MemoryNeeds(6 * gib).checkSpec(spec)
  })

  it('of ResNet-50 and GoogLeNet fits into 1 GiB, of VGG19 it does not', () => {
    for (const model of ['resnet50', 'googlenet']) expect(() => checkMemory(finetune(model), gib)).not.toThrow()
    expect(() => checkMemory(finetune('vgg19'), gib)).toThrow('vgg19')
  })

  it('needs less with one value less for the optimizer, with shorter numbers, and where little learns', () => {
    const bytes = (more: object): number => orchestratorBytes(finetune('vgg16', more))!
    expect(bytes({ optimizer: 'momentum' })).toBeLessThan(bytes({}))
    expect(bytes({ exchange: 'bfloat16' })).toBeLessThan(bytes({}))
    expect(bytes({ base: 'frozen' })).toBeLessThan(gib)
    expect(() => checkMemory(finetune('vgg16', { base: 'frozen' }), gib)).not.toThrow()
  })
})

it('extraction needs the weights', () => {
  expect(() => checkMemory(extract('vgg16'), gib)).not.toThrow()
  expect(() => checkMemory(extract('vgg16'), gib / 2)).toThrow(/vgg16 needs at least 0\.6 GiB .* has 0\.5 GiB/)
  expect(() => checkMemory(extract('resnet50'), gib / 2)).not.toThrow()
})

it('leaves models whose size is not known by name, and specs with other faults, to those who open them', () => {
  expect(orchestratorBytes(extract('s3://bucket/model'))).toBeUndefined()
  expect(() => checkMemory(extract('s3://bucket/model'), 1)).not.toThrow()
  expect(() => checkMemory(finetune('vgg16', { layer: 'nothing' }), 1)).not.toThrow()
})
