/** The commands of docs/networks.md, in their order, on small exports by the names that the page uses. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { commandsOf, DocumentFolder } from './commands.js'

const page = await readFile(new URL('../../docs/networks.md', import.meta.url), 'utf8')
const models = new URL('../conformance/onnx-files/models/', import.meta.url)
const config = { architecture: 'test_vit', pretrained_cfg: { input_size: [3, 64, 64], crop_pct: 1, interpolation: 'bicubic' } }
const processor = {
  image_processor_type: 'BitImageProcessor',
  size: { shortest_edge: 64 },
  crop_size: { height: 56, width: 56 },
  image_mean: [0.485, 0.456, 0.406],
  image_std: [0.229, 0.224, 0.225],
}

let folder: DocumentFolder
beforeAll(async () => {
  folder = await DocumentFolder.make('networks', [])
  const at = (...names: string[]): string => join(folder.path, ...names)
  await mkdir(at('hf-dinov2'))
  await copyFile(new URL('timm-test-vit-torchscript.onnx', models), at('vit.onnx'))
  await copyFile(new URL('hf-dinov2-tiny-torchscript.onnx', models), at('hf-dinov2', 'model.onnx'))
  await copyFile(new URL('tv-resnet18-slim-dynamo.onnx', models), at('resnet18.onnx'))
  await writeFile(at('config.json'), JSON.stringify(config))
  await writeFile(at('hf-dinov2', 'preprocessor_config.json'), JSON.stringify(processor))
})
afterAll(() => folder?.remove())

it.each(commandsOf(page))('%s', async command => {
  expect(await folder.run(command)).not.toBe('')
})
