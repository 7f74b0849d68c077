import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Architecture } from '@layermill/models'
import { assembleWeights } from '../assemble.js'
import { fromBytes, openFile, type RandomAccess } from '@layermill/core'
import { small, fabricate } from '../testing/fabricate.js'
import { type KerasDataset, kerasResnet, toHwio, toIo, writeKeras } from '../testing/keras.js'
import type { WeightSet } from '../types.js'
import { openTensorFile } from './detect.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-h5-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function read(file: RandomAccess, architecture: Architecture, shapes: ReadonlyMap<string, readonly number[]>): Promise<WeightSet> {
  try {
    const opened = await openTensorFile(file)
    try {
      return await assembleWeights(opened, { id: architecture, architecture, family: 'caffe' }, shapes, 'test')
    } finally {
      await opened.close()
    }
  } finally {
    await file.close()
  }
}

function vggDatasets(): KerasDataset[] {
  const layers = new Map([
    ['conv1_1', 'block1_conv1'],
    ['conv5_3', 'block5_conv3'],
    ['fc6', 'fc1'],
    ['fc7', 'fc2'],
    ['fc8', 'predictions'],
  ])
  return [...fabricate(small.vgg16)].map(([name, tensor]) => {
    const [link, kind] = name.split('/') as [string, string]
    const layer = layers.get(link)!
    if (kind === 'b') return { layer, role: 'bias', tensor }
    if (link.startsWith('conv')) return { layer, role: 'kernel', tensor: toHwio(tensor) }
    return { layer, role: 'kernel', tensor: toIo(tensor, link === 'fc6' ? 7 : 1) }
  })
}

describe('.h5', () => {
  it.each([1, 2] as const)('reads a VGG of Keras %i: HWIO to OIHW, and fc1 from height-width-channels', async version => {
    const path = join(folder, `vgg-${version}.h5`)
    await writeKeras(path, vggDatasets(), version)
    const weights = await read(await openFile(path), 'vgg16', small.vgg16)
    expect(weights).toMatchObject({ variant: {}, format: 'h5' })
    for (const [name, { data }] of fabricate(small.vgg16)) expect(weights.tensors.get(name)!.data, name).toEqual(data)
  })

  it("moves the biases of a ResNet's convolutions into the means behind them, and says what Keras does otherwise", async () => {
    const path = join(folder, 'resnet.h5')
    const tensors = fabricate(small.resnet50)
    await writeKeras(
      path,
      kerasResnet(tensors, channels => new Float32Array(channels).map((_, i) => 0.25 * (i + 1))),
      2,
    )
    const weights = await read(await openFile(path), 'resnet50', small.resnet50)
    expect(weights.variant).toEqual({ batchNormEpsilon: 1.001e-5, stemPool: 'padded' })
    for (const [name, { data }] of tensors) {
      const found = weights.tensors.get(name)!.data
      if (!name.endsWith('avg_mean')) expect(found, name).toEqual(data)
      else for (const [i, value] of data.entries()) expect(found[i], `${name}[${i}]`).toBeCloseTo(value, 6)
    }
  })

  it('reads what does not lie on disk', async () => {
    const path = join(folder, 'memory.h5')
    await writeKeras(path, vggDatasets(), 1)
    const weights = await read(fromBytes(await readFile(path)), 'vgg16', small.vgg16)
    expect(weights.tensors.get('fc8/W')!.data).toEqual(fabricate(small.vgg16).get('fc8/W')!.data)
  })

  it('reads a file without the classifier, and says what is left out', async () => {
    const path = join(folder, 'notop.h5')
    await writeKeras(
      path,
      vggDatasets().filter(({ layer }) => layer.startsWith('block')),
      1,
    )
    const weights = await read(await openFile(path), 'vgg16', small.vgg16)
    expect(weights).toMatchObject({
      variant: { without: ['fc6', 'fc7', 'fc8'] },
      notes: ['the file has no classifier: fc6, fc7, fc8 and what is behind are left out'],
    })
    expect([...weights.tensors.keys()]).toEqual([...small.vgg16.keys()].filter(name => name.startsWith('conv')))
    await writeKeras(
      path,
      vggDatasets().filter(({ layer }) => layer !== 'block5_conv3'),
      1,
    )
    await expect(read(await openFile(path), 'vgg16', small.vgg16)).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      message: expect.stringMatching(/2 missing \(block5_conv3\/kernel/) as unknown,
    })
  })

  it('refuses a cut-off file', async () => {
    const path = join(folder, 'cut.h5')
    await writeKeras(path, vggDatasets(), 1)
    const bytes = await readFile(path)
    for (const length of [9, 60, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length))
      await expect(read(await openFile(path), 'vgg16', small.vgg16)).rejects.toMatchObject({ code: 'WEIGHTS_TRUNCATED' })
    }
  })
})
