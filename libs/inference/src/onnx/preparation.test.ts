import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadOnnxFile } from './load.js'

const file = new URL('../../../../test/conformance/onnx-files/models/timm-test-resnet-dynamo-batch.onnx', import.meta.url)

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-onnx-preparation-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

let made = 0
async function modelWith(files: Readonly<Record<string, unknown>>): Promise<string> {
  const folder = join(root, `model-${made++}`)
  await mkdir(folder)
  await copyFile(file, join(folder, 'model.onnx'))
  for (const [name, value] of Object.entries(files)) await writeFile(join(folder, name), JSON.stringify(value))
  return join(folder, 'model.onnx')
}

const processor = { image_processor_type: 'ConvNextImageProcessor', size: 160, crop_pct: 0.9 }

it("is transformers' file before timm's, and none where nothing says", async () => {
  const timm = { architecture: 'x', pretrained_cfg: { crop_mode: 'border', input_size: [3, 160, 160] } }
  const both = await loadOnnxFile(await modelWith({ 'preprocessor_config.json': processor, 'config.json': timm }))
  expect(both.weights.preparation).toMatchObject({
    name: 'transformers:ConvNextImageProcessor',
    preparation: { resize: { to: { side: 177 } } },
  })
  const other = await loadOnnxFile(await modelWith({ 'config.json': timm }))
  expect(other.weights.preparation).toMatchObject({ name: 'timm', preparation: { resize: { to: { by: 'contain' } } } })
  expect((await loadOnnxFile(await modelWith({}))).weights.preparation).toBeUndefined()
})

it('is asked for where the file has a way that is not known, which is said', async () => {
  const { weights } = await loadOnnxFile(await modelWith({ 'preprocessor_config.json': { image_processor_type: 'DonutImageProcessor' } }))
  expect(weights.preparation).toBeUndefined()
  expect(weights.notes?.join()).toMatch(/DonutImageProcessor cannot be done here: it resizes twice.*--prepare/)
})
