import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseSpec } from '@layermill/contracts'
import { readSpecFile, specFromFlags } from './flags.js'

let folder = ''
const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-flags-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('reads YAML and JSON', async () => {
  await writeFile(at('a.yaml'), 'model: vgg16\nlayers: [fc6, fc7]\n')
  await writeFile(at('a.json'), '{"model": "vgg16", "layers": ["fc6", "fc7"]}')
  expect(await readSpecFile(at('a.yaml'))).toEqual({ model: 'vgg16', layers: ['fc6', 'fc7'] })
  expect(await readSpecFile(at('a.json'))).toEqual({ model: 'vgg16', layers: ['fc6', 'fc7'] })
})

it('refuses what would take long to parse, and does not read what is too long', async () => {
  await writeFile(at('deep.json'), '{"model":'.repeat(500_000).slice(0, 1_000_000))
  await expect(readSpecFile(at('deep.json'))).rejects.toMatchObject({
    code: 'SPEC_INVALID',
    message: expect.stringMatching(/^--file .*deep\.json: nests deeper than 32 levels/),
  })
  await writeFile(at('long.yaml'), '')
  await truncate(at('long.yaml'), 3e9)
  await expect(readSpecFile(at('long.yaml'))).rejects.toMatchObject({
    code: 'SPEC_INVALID',
    message: expect.stringContaining('has 3000000000 bytes'),
  })
  await expect(readSpecFile(at('none.yaml'))).rejects.toMatchObject({ code: 'SPEC_INVALID', message: expect.stringContaining('none.yaml') })
})

it('puts the numbers of a preparation in place of the file that says them, from a flag as from a spec', async () => {
  const processor = { image_processor_type: 'CLIPImageProcessor', size: 96, crop_size: 80 }
  await writeFile(at('preprocessor_config.json'), JSON.stringify(processor))
  await writeFile(at('spec.yaml'), `model: resnet50.tv\nprepare: ${at('preprocessor_config.json')}\n`)
  const expected = { name: 'transformers:CLIPImageProcessor', inputSize: [80, 80], preparation: { channels: 'rgb', resample: 'bicubic' } }
  const others = { out: at('out'), model: 'resnet50.tv' }
  const byFlag = await specFromFlags('extract', folder, { ...others, prepare: at('preprocessor_config.json') })
  expect(byFlag.prepare).toMatchObject(expected)
  expect(byFlag.prepare).toEqual((await specFromFlags('extract', folder, { ...others, file: at('spec.yaml') })).prepare)
  expect(parseSpec(JSON.parse(JSON.stringify(byFlag)))).toEqual(byFlag)
  const byName = await specFromFlags('extract', folder, { ...others, prepare: 'torchvision:ResNet50_Weights.IMAGENET1K_V2' })
  expect(byName.prepare).toBe('torchvision:ResNet50_Weights.IMAGENET1K_V2')
  await expect(specFromFlags('extract', folder, { ...others, prepare: at('none.json') })).rejects.toMatchObject({
    code: 'PREPARATION_INVALID',
  })
  await expect(specFromFlags('extract', folder, { ...others, prepare: 'pytorch' })).rejects.toMatchObject({ code: 'SPEC_INVALID' })
})
