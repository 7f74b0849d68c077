import { mkdtemp, readFile, rm, stat, symlink, writeFile, cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LayermillError, Random } from '@layermill/core'
import { FleetWeights, loadOnnxFile } from '@layermill/inference'
import { OnnxModel } from '@layermill/onnx'
import { openStore } from '@layermill/storage'
import { afterAll, beforeAll, expect, it } from 'vitest'

const models = fileURLToPath(new URL('onnx-files/models/', import.meta.url))
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-onnx-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const codes = ['ONNX_INVALID', 'ONNX_UNSUPPORTED', 'WEIGHTS_TRUNCATED', 'LAYER_UNKNOWN', 'LAYER_AMBIGUOUS', 'INPUT_SIZE']

it('ends in a code or a graph, however a file is damaged', async () => {
  const seed = 20261201
  process.stdout.write(`seed ${seed}\n`)
  const random = new Random(String(seed))
  const sources = await Promise.all(
    [
      'hand-functions-opset21-ir10',
      'hand-opset7-ir3-caffe2-style',
      'hand-uint8-nhwc-normalised-inside-opset13',
      'hand-batch-statistics',
    ].map(name => readFile(join(models, `${name}.onnx`))),
  )
  const path = join(folder, 'damaged.onnx')
  const outcomes = { opened: 0, refused: 0 }
  for (let i = 0; i < 2000; i++) {
    const bytes = Buffer.from(sources[i % sources.length]!)
    const hits = 1 + Math.floor((random.uint32() / 2 ** 32) * 4)
    for (let hit = 0; hit < hits; hit++)
      bytes[Math.floor((random.uint32() / 2 ** 32) * bytes.length)] = Math.floor((random.uint32() / 2 ** 32) * 256)
    const cut = random.uint32() / 2 ** 32 < 0.2 ? bytes.subarray(0, Math.floor((random.uint32() / 2 ** 32) * bytes.length)) : bytes
    await writeFile(path, cut)
    try {
      const model = await OnnxModel.open(path)
      const outputs = model.graph.outputs.map(({ name }) => name)
      model.resolve([...model.names.modules.keys()].slice(0, 2))
      model.cut({ values: outputs, batch: 'repaired', fed: new Set(model.graph.inputs.map(({ name }) => name)) })
      outcomes.opened++
    } catch (error) {
      expect(error, `seed ${seed}, file ${i}: ${String(error)}`).toBeInstanceOf(LayermillError)
      expect(codes, `seed ${seed}, file ${i}`).toContain((error as LayermillError).code)
      outcomes.refused++
    }
  }
  expect(outcomes.opened).toBeGreaterThan(100)
  expect(outcomes.refused).toBeGreaterThan(100)
})

it('refuses external data outside of the folder of the model', async () => {
  const original = join(models, 'hand-external-data-one-file')
  const graph = await readFile(join(original, 'model.onnx'))
  const name = 'model.onnx.data'
  const located = (location: string): Buffer => {
    expect(location).toHaveLength(name.length)
    return Buffer.from(graph.toString('latin1').replaceAll(name, location), 'latin1')
  }
  const inFolder = join(folder, 'external')
  await cp(original, inFolder, { recursive: true })
  await expect(OnnxModel.open(join(inFolder, 'model.onnx'))).resolves.toBeInstanceOf(OnnxModel)
  for (const location of ['../onnx.data-xx', '/model.onnx.dat', 'a/../model.data', 'missing.weights', 'C:\\model.onnx.d']) {
    await writeFile(join(inFolder, 'model.onnx'), located(location))
    await expect(OnnxModel.open(join(inFolder, 'model.onnx')), location).rejects.toMatchObject({ code: 'ONNX_INVALID' })
  }
  await writeFile(join(inFolder, 'model.onnx'), located('link.onnx.data1'))
  await symlink(join(original, name), join(inFolder, 'link.onnx.data1'))
  await expect(OnnxModel.open(join(inFolder, 'model.onnx'))).rejects.toThrow(/a link that leaves the folder/)
})

it('travels through the store of the fleet by its hash, with its external data', async () => {
  const loaded = await loadOnnxFile(join(models, 'hand-external-data-one-file', 'model.onnx'))
  const options = { store: openStore(join(folder, 'store')), limit: 1e9 }
  await new FleetWeights({ ...options, folder: join(folder, 'orchestrator') }).publish(loaded.network, loaded.weights)
  const worker = new FleetWeights({ ...options, folder: join(folder, 'worker') })
  const path = await worker.obtainGraph(loaded.weights.sha256)
  expect((await loadOnnxFile(path!)).weights.sha256).toBe(loaded.weights.sha256)
  expect(await worker.obtainGraph('f'.repeat(64))).toBeUndefined()
  expect((await stat(path!)).isFile()).toBe(true)
})
