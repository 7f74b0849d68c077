/** Files that Keras, torchvision, timm and transformers wrote, against what they compute with them (library_files.py). */
import { createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { crc32, createBrotliDecompress } from 'node:zlib'
import { openEngine, type Engine } from '@layermill/engines'
import type { Tensor } from '@layermill/core'
import { getNetwork } from '@layermill/models'
import { loadWeights, type WeightSet } from '@layermill/weights'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface Summary {
  readonly shape: readonly number[]
  readonly absMax: number
  readonly samples: readonly (readonly [index: number, value: number])[]
}

const values = JSON.parse(readFileSync(new URL('./files/values.json', import.meta.url), 'utf8')) as Record<string, Record<string, Summary>>

/** Largest difference, in units of the layer's largest value. */
const tolerance = 1e-5
/** Scores of three to eleven classes, each a sum of 2,048 terms that cancel each other. */
const ofScores: Readonly<Record<string, number>> = { 'keras-whole.h5 prob': 4e-5, 'transformers.safetensors fc6': 3e-5 }
const side = 64
/** Files that hold the tensors of another one, but for the classifier: what is computed with that one holds for them. */
const sameTensors: Readonly<Record<string, string>> = {
  'keras-base.weights.h5': 'keras-nested.keras',
  'keras-unnamed.weights.h5': 'keras-nested.keras',
  'torch-children.safetensors': 'torchvision-parallel.safetensors',
  'transformers-base.safetensors': 'transformers.safetensors',
}
/** By file: the checksum of each tensor's data. */
const checksums = new Map<string, Readonly<Record<string, number>>>()

function checksumsOf({ tensors }: WeightSet): Record<string, number> {
  const bodies = [...tensors].filter(([parameter]) => !parameter.startsWith('fc6/'))
  return Object.fromEntries(
    bodies.map(([parameter, { data }]) => [parameter, crc32(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))]),
  )
}

let folder = ''
let engine: Engine
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-library-'))
  engine = await openEngine()
})
afterAll(async () => {
  await engine.close()
  await rm(folder, { recursive: true, force: true })
})

async function unpacked(name: string): Promise<string> {
  const path = join(folder, name)
  await pipeline(createReadStream(new URL(`./files/${name}.br`, import.meta.url)), createBrotliDecompress(), createWriteStream(path))
  return path
}

async function loaded(id: string, name: string): Promise<WeightSet> {
  const path = await unpacked(name)
  const weights = await loadWeights(id, path)
  await rm(path)
  return weights
}

/** The input that the script gives to the other libraries. */
function picture(): Tensor {
  const data = Float32Array.from({ length: 3 * side * side }, (_, i) => ((i * 7919) % 2003) / 1001.5 - 1)
  return { shape: [1, 3, side, side], data }
}

function difference({ shape, absMax, samples }: Summary, tensor: Tensor): number {
  expect(tensor.shape).toEqual(shape)
  return Math.max(...samples.map(([index, value]) => Math.abs(tensor.data[index]! - value))) / absMax
}

async function expectComputed(id: string, name: string, weights: WeightSet): Promise<void> {
  const expected = values[name]!
  const layers = Object.keys(expected)
  const extractor = await engine.extractor(getNetwork(id, weights.variant), weights.tensors, layers, { inputSize: [side, side] })
  const actual = await extractor.run(picture())
  await extractor.release()
  for (const layer of layers) {
    expect(difference(expected[layer]!, actual.get(layer)!), layer).toBeLessThanOrEqual(ofScores[`${name} ${layer}`] ?? tolerance)
  }
}

const kerasVariant = { batchNormEpsilon: 1.001e-5, stemPool: 'padded' }
const cases = [
  ['keras-nested.keras', 'resnet50', 'keras', { ...kerasVariant, classes: 5 }, /fc6 is dense of the file/],
  ['keras-base.weights.h5', 'resnet50', 'keras', { ...kerasVariant, without: ['fc6'] }, /no classifier/],
  ['keras-unnamed.weights.h5', 'resnet50', 'keras', { ...kerasVariant, classes: 5 }, /fc6 is dense of the file/],
  ['keras-flat.h5', 'resnet50', 'keras', { ...kerasVariant, classes: 7 }, /fc6 is animals of the file/],
  ['keras-whole.h5', 'resnet50', 'keras', { ...kerasVariant, classes: 11 }, undefined],
  ['keras-vgg16.keras', 'vgg16', 'keras', { without: ['fc6', 'fc7', 'fc8'] }, /head of its own \(dense/],
  ['torchvision-parallel.safetensors', 'resnet50.tv', 'torchvision', { classes: 10 }, undefined],
  ['torch-children.safetensors', 'resnet50.tv', 'torchvision', { without: ['fc6'] }, /no classifier/],
  ['torchvision-two-layers.safetensors', 'resnet50.tv', 'torchvision', { without: ['fc6'] }, /head of its own \(fc\.0\.bias/],
  ['timm-backbone.safetensors', 'resnet50.tv', 'torchvision', { classes: 6 }, /fc6 is head\.1 of the file, with 6 scores/],
  ['torchvision-googlenet.safetensors', 'googlenet.tv', 'torchvision', { classes: 8 }, undefined],
  ['transformers.safetensors', 'resnet50.tv', 'transformers', { classes: 4 }, undefined],
  ['transformers-base.safetensors', 'resnet50.tv', 'transformers', { without: ['fc6'] }, /no classifier/],
] as const

describe('files of other libraries', () => {
  it.each(cases)('%s as %s', async (name, id, origin, variant, note) => {
    const weights = await loaded(id, name)
    expect(weights).toMatchObject({ origin, variant })
    expect(weights.variant).toEqual(variant)
    if (note === undefined) expect(weights.notes).toBeUndefined()
    else expect(weights.notes?.join('\n')).toMatch(note)
    checksums.set(name, checksumsOf(weights))
    const computed = sameTensors[name]
    if (computed === undefined) return expectComputed(id, name, weights)
    expect(checksums.get(name)).toEqual(checksums.get(computed) ?? checksumsOf(await loaded(id, computed)))
    for (const layer of Object.keys(values[name]!)) expect(values[name]![layer]).toEqual(values[computed]![layer])
  })

  it('has the values of each', () => {
    expect(cases.map(([name]) => name).toSorted()).toEqual(Object.keys(values).toSorted())
  })
})
