import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { getNetwork, parameterShapes } from '@layermill/models'
import { chainerWeights, loadWeights, type WeightSet, writeWeightsNpz } from '@layermill/weights'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface ReadArray {
  readonly dtype: string
  readonly shape: number[]
  readonly sum: number
  readonly last: number
}

let folder = ''
let path = ''
let weights: WeightSet
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-numpy-'))
  path = join(folder, 'resnet50.npz')
  const tensors = chainerWeights(parameterShapes(getNetwork('resnet50')))
  weights = { tensors, variant: {}, source: 'golden', format: 'random', sha256: '' }
  await writeWeightsNpz(path, 'resnet50', weights)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const script = `
import json, sys, numpy
with numpy.load(sys.argv[1]) as f:
    print(json.dumps({k: {'dtype': f[k].dtype.str, 'shape': list(f[k].shape), 'sum': float(f[k].sum(dtype=numpy.float64)), 'last': float(f[k].reshape(-1)[-1])} for k in f.files}))
`

/** NumPy's own reading, where it is installed. */
function readByNumpy(): Record<string, ReadArray> | undefined {
  for (const python of ['/usr/bin/python3', 'python3']) {
    const { status, stdout } = spawnSync(python, ['-c', script, path], { encoding: 'utf8', maxBuffer: 1e8 })
    if (status === 0) return JSON.parse(stdout) as Record<string, ReadArray>
  }
  return undefined
}

/** The same by the two formats' documents: zip's central directory, then each array's header. */
async function readByHand(): Promise<Record<string, ReadArray>> {
  const zip = await readFile(path)
  const end = zip.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  const arrays: Record<string, ReadArray> = {}
  let at = zip.readUInt32LE(end + 16)
  for (let i = 0; i < zip.readUInt16LE(end + 10); i++) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map(offset => zip.readUInt16LE(at + offset)) as [number, number, number]
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength)
    const local = zip.readUInt32LE(at + 42)
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const raw = zip.subarray(start, start + zip.readUInt32LE(at + 20))
    arrays[name.replace(/\.npy$/, '')] = parseArray(zip.readUInt16LE(at + 10) === 8 ? inflateRawSync(raw) : raw)
    at += 46 + nameLength + extraLength + commentLength
  }
  return arrays
}

function parseArray(bytes: Buffer): ReadArray {
  const data = 10 + bytes.readUInt16LE(8)
  expect(data % 64).toBe(0)
  const header = bytes.toString('latin1', 10, data)
  const dtype = /'descr': '(...)'/.exec(header)![1]!
  const shape = /'shape': \(([^)]*)\)/
    .exec(header)![1]!
    .split(',')
    .filter(part => part.trim() !== '')
    .map(Number)
  let sum = 0
  let last = 0
  for (let offset = data; offset < bytes.length; offset += dtype === '<f4' ? 4 : 8) {
    last = dtype === '<f4' ? bytes.readFloatLE(offset) : Number(bytes.readBigInt64LE(offset))
    sum += last
  }
  return { dtype, shape, sum, last }
}

function expectAll(arrays: Record<string, ReadArray>): void {
  const counters = [...weights.tensors.keys()].filter(name => name.endsWith('/avg_mean')).map(name => name.replace('avg_mean', 'N'))
  expect(Object.keys(arrays).toSorted()).toEqual([...weights.tensors.keys(), ...counters].toSorted())
  for (const name of counters) expect(arrays[name]).toEqual({ dtype: '<i8', shape: [], sum: 0, last: 0 })
  for (const [name, { shape, data }] of weights.tensors) {
    const found = arrays[name]!
    expect(found).toMatchObject({ dtype: '<f4', shape: [...shape], last: data.at(-1) })
    expect(Math.abs(found.sum - data.reduce((sum, value) => sum + value, 0)), name).toBeLessThan(1e-6 * data.length)
  }
}

describe('an .npz written here', () => {
  it("has Chainer's 321 keys and reads by the formats' documents, and by NumPy where it is installed", async () => {
    const byHand = await readByHand()
    expect(Object.keys(byHand)).toHaveLength(321)
    expectAll(byHand)
    const byNumpy = readByNumpy()
    if (byNumpy !== undefined) expectAll(byNumpy)
  })

  it('reads back here', async () => {
    const back = await loadWeights('resnet50', path)
    for (const [name, { data }] of weights.tensors)
      expect(Buffer.compare(Buffer.from(back.tensors.get(name)!.data.buffer), Buffer.from(data.buffer)), name).toBe(0)
  })
})
