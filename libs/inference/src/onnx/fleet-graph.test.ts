import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { OnnxModel } from '@layermill/onnx'
import { openStore, type Store } from '@layermill/storage'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { obtainGraph, publishGraph } from './fleet-graph.js'
import { loadOnnxFile } from './load.js'

const file = new URL('../../../../test/conformance/onnx-files/models/timm-test-resnet-dynamo-batch.onnx', import.meta.url)

let root = ''
let graph = ''
let store: Store
let model: OnnxModel
let sha256 = ''

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-fleet-graph-'))
  graph = join(root, 'model', 'model.onnx')
  await mkdir(dirname(graph))
  await copyFile(file, graph)
  store = openStore(join(root, 'store'))
  model = await OnnxModel.open(graph)
  sha256 = await model.sha256()
})
afterAll(() => rm(root, { recursive: true, force: true }))

const names = async (): Promise<string> => {
  const { network } = await loadOnnxFile(graph)
  return Array.from({ length: network.classes }, (_, i) => `kind ${i}`).join('\n')
}

it('passes on what lies beside a graph as it is now, though the graph has long been there', async () => {
  expect(await obtainGraph(store, join(root, 'worker'), sha256)).toBeUndefined()
  await publishGraph(store, model, sha256)
  const obtained = (await obtainGraph(store, join(root, 'worker'), sha256))!
  expect(await readFile(obtained)).toEqual(await readFile(graph))
  expect((await loadOnnxFile(obtained)).labels[1]).toBe('class 1')

  await writeFile(join(dirname(graph), 'labels.txt'), await names())
  await publishGraph(store, model, sha256)
  expect(await obtainGraph(store, join(root, 'worker'), sha256)).toBe(obtained)
  expect((await loadOnnxFile(obtained)).labels[1]).toBe('kind 1')

  await writeFile(join(dirname(graph), 'labels.txt'), (await names()).replaceAll('kind', 'sort'))
  await publishGraph(store, model, sha256)
  await obtainGraph(store, join(root, 'worker'), sha256)
  expect((await loadOnnxFile(obtained)).labels[1]).toBe('sort 1')

  await rm(join(dirname(graph), 'labels.txt'))
  await publishGraph(store, model, sha256)
  await obtainGraph(store, join(root, 'worker'), sha256)
  expect((await loadOnnxFile(obtained)).labels[1]).toBe('class 1')
})

it('takes what an earlier version listed with the graph, and refuses texts that are none', async () => {
  const old = openStore(join(root, 'old'))
  await old.put(`weights/${sha256}/model.onnx`, await readFile(graph))
  await old.put(`weights/${sha256}/labels.txt`, await names())
  await old.put(`weights/${sha256}/files.json`, JSON.stringify(['model.onnx', 'labels.txt']))
  const obtained = (await obtainGraph(old, join(root, 'other'), sha256))!
  expect((await readdir(dirname(obtained))).toSorted()).toEqual(['.files.json', 'labels.txt', 'model.onnx'])
  await old.put(`weights/${sha256}/beside.json`, 'null')
  await expect(obtainGraph(old, join(root, 'other'), sha256)).rejects.toMatchObject({ code: 'WEIGHTS_HASH' })
})
