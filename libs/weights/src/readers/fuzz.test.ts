import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ZipFile } from 'yazl'
import { fromBytes, LayermillError, openFile, type RandomAccess, RandomStream } from '@layermill/core'
import { assembleWeights } from '../assemble.js'
import { small, encodeCaffemodel, fabricate, toCaffeLayers } from '../testing/fabricate.js'
import { toIo, writeKeras } from '../testing/keras.js'
import { mutate } from '../testing/mutate.js'
import { writeNpz } from '../writers/npz.js'
import { writeSafetensors } from '../writers/safetensors.js'
import { openTensorFile } from './detect.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-fuzz-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const shapes = new Map([...small.vgg16].filter(([name]) => name.startsWith('fc7') || name.startsWith('fc8')))

/** Whether it could be read; anything but a LayermillError about weights fails the test. */
async function survives(file: RandomAccess): Promise<boolean> {
  try {
    const opened = await openTensorFile(file)
    try {
      const { tensors, variant } = await assembleWeights(opened, { id: 'vgg16', architecture: 'vgg16', family: 'caffe' }, shapes, 'fuzz')
      // A damaged name makes a head of another name, which is left out by name.
      const left = [...shapes.keys()].filter(name => !(variant.without ?? []).includes(name.slice(0, name.indexOf('/'))))
      expect([...tensors.keys()]).toEqual(left)
      return true
    } finally {
      await opened.close()
    }
  } catch (error) {
    expect(error).toBeInstanceOf(LayermillError)
    expect((error as LayermillError).code).toMatch(/^WEIGHTS_(FORMAT|TRUNCATED|MISMATCH)$/)
    return false
  } finally {
    await file.close()
  }
}

async function checkDamage(original: Buffer, seed: string, rounds: number): Promise<void> {
  const stream = new RandomStream(seed)
  expect(await survives(fromBytes(original))).toBe(true)
  for (let length = 0; length < original.length; length += Math.max(1, Math.floor(original.length / rounds))) {
    expect(await survives(fromBytes(original.subarray(0, length))), `cut at ${length}`).toBe(false)
  }
  for (let i = 0; i < rounds; i++) await survives(fromBytes(mutate(original, stream)))
}

const tensors = fabricate(shapes)
const layers = toCaffeLayers(
  tensors,
  new Map([
    ['fc7', 'fc7'],
    ['fc8', 'fc8'],
  ]),
)

describe('damaged files', () => {
  it.each(['V1', 'new'] as const)('.caffemodel (%s)', async layout => {
    // A cut between two layers leaves a valid file without the second: found as missing.
    await checkDamage(encodeCaffemodel(layers, { layout }), layout, 400)
    await checkDamage(encodeCaffemodel(layers, { layout, numbers: 'unpacked' }), `${layout} unpacked`, 400)
  })

  it('.safetensors', async () => {
    const path = join(folder, 'a.safetensors')
    await writeSafetensors(path, tensors)
    await checkDamage(await readFile(path), 'safetensors', 600)
  })

  it('.npz', async () => {
    const path = join(folder, 'a.npz')
    await writeNpz(path, tensors)
    await checkDamage(await readFile(path), 'npz', 400)
  })

  it('.keras', async () => {
    const path = join(folder, 'inner.h5')
    const datasets = [...tensors].map(
      ([name, tensor]) =>
        ({
          layer: name.startsWith('fc7') ? 'fc2' : 'predictions',
          role: name.endsWith('W') ? 'kernel' : 'bias',
          tensor: name.endsWith('W') ? toIo(tensor) : tensor,
        }) as const,
    )
    await writeKeras(path, datasets, 2)
    const zip = new ZipFile()
    zip.addBuffer(Buffer.from('{"keras_version": "3.15.1"}'), 'metadata.json', { compress: false })
    zip.addBuffer(Buffer.from('{"class_name": "Sequential", "config": {"layers": []}}'), 'config.json', { compress: false })
    zip.addBuffer(await readFile(path), 'model.weights.h5', { compress: false })
    zip.end()
    const chunks: Buffer[] = []
    for await (const chunk of zip.outputStream as AsyncIterable<Buffer>) chunks.push(chunk)
    await checkDamage(Buffer.concat(chunks), 'keras', 60)
  })

  it('.h5', async () => {
    const path = join(folder, 'a.h5')
    const names = new Map([
      ['fc7', 'fc2'],
      ['fc8', 'predictions'],
    ])
    const datasets = [...tensors].map(([name, tensor]) => {
      const [link, kind] = name.split('/') as [string, string]
      return { layer: names.get(link)!, role: kind === 'W' ? 'kernel' : 'bias', tensor: kind === 'W' ? toIo(tensor) : tensor }
    })
    await writeKeras(path, datasets, 1)
    const original = await readFile(path)
    const stream = new RandomStream('h5')
    for (let i = 0; i < 60; i++) {
      const damaged = join(folder, `damaged-${i}.h5`)
      await writeFile(damaged, i < 20 ? original.subarray(0, Math.floor((original.length * i) / 20)) : mutate(original, stream))
      await survives(await openFile(damaged))
    }
    expect(await survives(await openFile(path))).toBe(true)
  })
})
