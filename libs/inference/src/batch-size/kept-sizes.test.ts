import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '@layermill/storage'
import { expect, it } from 'vitest'
import { KeptBatchSizes, type MeasuredCase } from './kept-sizes.js'

const measured: MeasuredCase = {
  engine: 'onnx',
  version: 'onnxruntime 1.30.0',
  device: 'cpu',
  processor: '2 x processor',
  network: 'resnet50',
  layers: ['pool5'],
  inputSize: [224, 224],
  precision: 'fp32',
}

it('keeps a size for each case, and finds none in files that are damaged or of another case', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-'))
  try {
    const kept = new KeptBatchSizes(openStore(folder))
    expect(await kept.find(measured)).toBeUndefined()
    await kept.keep(measured, 4)
    expect(await kept.find(structuredClone(measured))).toBe(4)
    for (const change of [{ device: 'cuda' }, { layers: ['res5'] }, { precision: 'int8' }, { version: 'onnxruntime 1.31.0' }]) {
      expect(await kept.find({ ...measured, ...change })).toBeUndefined()
    }
    const name = (await readdir(folder)).find(entry => entry.endsWith('.json'))
    const file = join(folder, name!)
    const texts = [
      '',
      '{',
      '8',
      'null',
      '{"batchSize":8}',
      ...[0, 5000, 1.5, '"8"'].map(size => `{"case":${JSON.stringify(measured)},"batchSize":${size}}`),
    ]
    for (const text of [...texts, `{"case":${JSON.stringify({ ...measured, network: 'vgg16' })},"batchSize":8}`]) {
      await writeFile(file, text)
      expect(await kept.find(measured), text).toBeUndefined()
    }
    await kept.keep(measured, 16)
    expect(await kept.find(measured)).toBe(16)
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('goes on where nothing can be kept', async () => {
  const kept = new KeptBatchSizes(openStore('/dev/null/there'))
  await kept.keep(measured, 4)
  expect(await kept.find(measured)).toBeUndefined()
})
