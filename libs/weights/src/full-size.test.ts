import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { getNetwork, parameterShapes } from '@layermill/models'
import { caffeNames, splitParameter } from './names/scheme.js'
import { loadWeights } from './load.js'
import { type CaffeLayer, encodeCaffemodel, fabricate } from './testing/fabricate.js'
import { kerasResnet, writeKeras } from './testing/keras.js'

let folder = ''
const original = fabricate(parameterShapes(getNetwork('resnet50')))
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-full-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function expectEqual(name: string, found: Float32Array, expected: Float32Array, tolerance: number): void {
  let worst = 0
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(found[i]! - expected[i]!))
  expect(found.length, name).toBe(expected.length)
  expect(worst, name).toBeLessThanOrEqual(tolerance)
}

it('a whole ResNet-50 of 102 MB comes back from a .caffemodel', async () => {
  const blobs = new Map<string, CaffeLayer['blobs'][number][]>()
  for (const [name, tensor] of original) {
    const { source, dividedBy } = caffeNames.rule('resnet50', name)!
    const [, layer, index] = /^(.*)\[(\d)\]$/.exec(source)!
    blobs.set(layer!, blobs.get(layer!) ?? [])
    blobs.get(layer!)![Number(index)] = tensor
    if (dividedBy !== undefined) blobs.get(layer!)![2] = { shape: [1], data: new Float32Array([1]) }
  }
  const path = join(folder, 'resnet50.caffemodel')
  await writeFile(
    path,
    encodeCaffemodel(
      [...blobs].map(([name, list]) => ({ name, blobs: list })),
      { layout: 'new' },
    ),
  )
  const { tensors } = await loadWeights('resnet50', path)
  for (const [name, { data }] of original) expectEqual(name, tensors.get(name)!.data, data, 0)
})

it('a whole ResNet-50 of 103 MB comes back from Keras, biases in the means', async () => {
  const path = join(folder, 'resnet50.h5')
  await writeKeras(
    path,
    kerasResnet(original, channels => new Float32Array(channels).fill(0.5)),
    2,
  )
  const { tensors, variant } = await loadWeights('resnet50', path)
  expect(variant).toEqual({ batchNormEpsilon: 1.001e-5, stemPool: 'padded' })
  for (const [name, { data }] of original) {
    const [, kind] = splitParameter(name)
    expectEqual(name, tensors.get(name)!.data, data, kind === 'avg_mean' ? 1e-6 : 0)
  }
})
