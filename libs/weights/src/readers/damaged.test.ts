/** Damaged files of every format: each ends in tensors or in a code, whatever is in it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { File as H5File, ready } from 'h5wasm/node'
import { expect, it } from 'vitest'
import { ZipFile } from 'yazl'
import { LayermillError, openFile, RandomStream } from '@layermill/core'
import { assembleWeights } from '../assemble.js'
import { small, encodeCaffemodel, fabricate, toCaffeLayers } from '../testing/fabricate.js'
import { toIo, writeKeras } from '../testing/keras.js'
import { below, damage } from '../testing/mutate.js'
import { writeNpz } from '../writers/npz.js'
import { safetensorsBytes } from '../writers/safetensors.js'
import { openTensorFile } from './detect.js'

/** `LAYERMILL_FUZZ_WEIGHTS=5000` looks at as many; `LAYERMILL_FUZZ_SEED` at others. */
const count = Number(process.env['LAYERMILL_FUZZ_WEIGHTS'] ?? 600)
const seed = process.env['LAYERMILL_FUZZ_SEED'] ?? '20260103'
/** The library of HDF5 keeps what it once had; a file here has some kilobytes. */
const mostGrowthBytes = 512e6
const codes = ['WEIGHTS_FORMAT', 'WEIGHTS_TRUNCATED', 'WEIGHTS_MISMATCH', 'PREPARATION_UNKNOWN']

const shapes = new Map([...small.vgg16].filter(([name]) => name.startsWith('fc7') || name.startsWith('fc8')))
const tensors = fabricate(shapes)
const layers = toCaffeLayers(
  tensors,
  new Map([
    ['fc7', 'fc7'],
    ['fc8', 'fc8'],
  ]),
)
const description = JSON.stringify({
  class_name: 'Sequential',
  config: {
    layers: [
      { class_name: 'Conv2D', config: {} },
      { class_name: 'Dense', config: { activation: 'softmax' } },
    ],
  },
})

const datasets = [...tensors].map(([name, tensor]) => ({
  layer: name.startsWith('fc7') ? 'fc2' : 'predictions',
  role: name.endsWith('W') ? 'kernel' : 'bias',
  tensor: name.endsWith('W') ? toIo(tensor) : tensor,
}))

/** As Keras 3 has weights: variables by number, the layer's name as an attribute. */
function writeNumbered(path: string): void {
  const file = new H5File(path, 'w')
  const all = file.create_group('layers')
  for (const [i, layer] of ['fc2', 'predictions'].entries()) {
    const group = all.create_group(i === 0 ? 'dense' : `dense_${i}`).create_group('vars')
    group.create_attribute('name', layer)
    const own = datasets.filter(dataset => dataset.layer === layer).toSorted((a, b) => (a.role > b.role ? -1 : 1))
    for (const [place, { tensor }] of own.entries())
      group.create_dataset({ name: String(place), data: tensor.data, shape: [...tensor.shape], dtype: '<f4' })
  }
  file.flush()
  file.close()
}

async function archive(weights: Buffer): Promise<Buffer> {
  const zip = new ZipFile()
  zip.addBuffer(Buffer.from('{"keras_version": "3.15.1"}'), 'metadata.json', { compress: false })
  zip.addBuffer(Buffer.from(description), 'config.json', { compress: true })
  zip.addBuffer(weights, 'model.weights.h5', { compress: false })
  zip.end()
  const chunks: Buffer[] = []
  for await (const chunk of zip.outputStream as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** One small file of each format and layout. */
async function originals(folder: string): Promise<Map<string, Buffer>> {
  await ready
  const [npz, old, named, numbered] = ['a.npz', 'old.h5', 'named.h5', 'numbered.weights.h5'].map(name => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ]
  await writeNpz(npz, tensors)
  await writeKeras(old, datasets, 1)
  await writeKeras(named, datasets, 2)
  writeNumbered(numbered)
  const weights = await readFile(numbered)
  return new Map([
    ['caffemodel, layers', encodeCaffemodel(layers, { layout: 'V1', numbers: 'unpacked' })],
    ['caffemodel, layer', encodeCaffemodel(layers, { layout: 'new' })],
    [
      'safetensors',
      Buffer.from(
        safetensorsBytes(tensors, { 'layermill.network': 'vgg16', 'layermill.preparation': 'keras', labels: '["a","b","c","d","e"]' }),
      ),
    ],
    ['npz', await readFile(npz)],
    ['h5 of Keras 1', await readFile(old)],
    ['h5 of Keras 2', await readFile(named)],
    ['weights.h5 of Keras 3', weights],
    ['keras', await archive(weights)],
  ])
}

/** How a file ends: `tensors`, or a code. */
async function outcome(path: string): Promise<string> {
  const file = await openFile(path)
  try {
    const opened = await openTensorFile(file)
    try {
      const weights = await assembleWeights(opened, { id: 'vgg16', architecture: 'vgg16', family: 'caffe' }, shapes, 'damaged')
      for (const [name, { shape, data }] of weights.tensors)
        expect(data.length, name).toBe(shape.reduce((product, size) => product * size, 1))
      return 'tensors'
    } finally {
      await opened.close()
    }
  } catch (error) {
    if (error instanceof LayermillError) return error.code
    throw error
  } finally {
    await file.close()
  }
}

it(`each of ${count} damaged files of weights ends in tensors or a code (seed ${seed})`, { timeout: 20 * 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-damaged-'))
  try {
    const files = [...(await originals(folder))]
    const path = join(folder, 'damaged')
    for (const [name, bytes] of files) {
      await writeFile(path, bytes)
      expect(await outcome(path), name).toBe('tensors')
    }
    const before = process.memoryUsage().rss
    const stream = new RandomStream(seed)
    const seen = new Map<string, Set<string>>(files.map(([name]) => [name, new Set()]))
    for (let i = 0; i < count; i++) {
      const [name, bytes] = files[i % files.length]!
      let damaged = damage(bytes, stream)
      if (below(stream, 4) === 0) damaged = damage(damaged, stream)
      await writeFile(path, damaged)
      const where = `case ${i}, ${name}, seed ${seed}`
      const end = await outcome(path).catch((error: unknown) => {
        throw new Error(where, { cause: error })
      })
      expect(end === 'tensors' ? codes[0] : end, where).toBeOneOf(codes)
      expect(process.memoryUsage().rss - before, where).toBeLessThan(mostGrowthBytes)
      seen.get(name)!.add(end)
    }
    // Damaged files leave no trace on files that are read after them.
    for (const [name, bytes] of files) {
      await writeFile(path, bytes)
      expect(await outcome(path), `${name}, after all`).toBe('tensors')
    }
    // The damage must be of all sorts, or the test would say little.
    for (const [name, ends] of seen) expect([...ends], name).toEqual(expect.arrayContaining(['WEIGHTS_FORMAT']))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
