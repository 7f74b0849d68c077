import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parquetReadObjects } from 'hyparquet'
import { loadModel } from 'layermill'
import { load } from 'npyjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { commitFaults, filesBelow, readIndex, readRun } from '../../helpers/results.js'

const folder = testFolder('formats')
const layers = ['inception_3a/3x3', 'inception_5a']
const channels = { 'inception_3a/3x3': 128, inception_5a: 832 }
const network = ['--model', 'googlenet', '--weights', 'random:1', '--layers', layers.join(','), '--size', '96x64', '--device', 'cpu']

let photos: string
let keys: string[]
/** Values that the library computes for the same images, by layer: a flat row for each image. */
let expected: Record<string, { shape: number[]; rows: Float32Array[] }>

beforeAll(async () => {
  photos = join(await folder(), 'photos')
  keys = await writeImages(photos, 5)
  const model = await loadModel('googlenet', { weights: 'random:1' })
  try {
    const results = await model.extract(
      keys.map(key => join(photos, key)),
      { layers, size: [64, 96] },
    )
    expected = Object.fromEntries(
      layers.map(layer => {
        const { shape, data } = results[layer]!
        const size = data.length / keys.length
        return [layer, { shape: shape.slice(1), rows: keys.map((_, i) => data.slice(i * size, (i + 1) * size)) }]
      }),
    )
  } finally {
    await model.dispose()
  }
})

async function extract(name: string, ...flags: string[]): Promise<string> {
  const out = join(await folder(), name)
  const { code, stderr } = await runCli(['extract', photos, ...network, '--part-size', '3', '--out', out, ...flags])
  expect(code, stderr).toBe(0)
  expect(await commitFaults(out)).toEqual([])
  expect((await readIndex(out)).map(({ key }) => key)).toEqual(keys)
  return out
}

/** Largest difference over the layer's largest value: what batches of another size may change. */
function drift(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length)
  let largest = 0
  let difference = 0
  for (let i = 0; i < wanted.length; i++) {
    largest = Math.max(largest, Math.abs(wanted[i]!))
    difference = Math.max(difference, Math.abs(found[i]! - wanted[i]!))
  }
  expect(largest).toBeGreaterThan(0)
  return difference / largest
}

const bufferOf = async (path: string): Promise<ArrayBuffer> => Uint8Array.from(await readFile(path)).buffer

/** Mean or maximum of each channel, by plain loops. */
function pooled(layer: string, image: number, kind: 'avg' | 'max'): number[] {
  const { shape, rows } = expected[layer]!
  const cells = shape[1]! * shape[2]!
  return Array.from({ length: shape[0]! }, (_, channel) => {
    const values = [...rows[image]!.subarray(channel * cells, (channel + 1) * cells)]
    return kind === 'max' ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / cells
  })
}

interface SafetensorsHeader {
  readonly [name: string]: { readonly dtype: string; readonly shape: number[]; readonly data_offsets: [number, number] }
}

/** The format in its own words: a length, a JSON header, the tensors' bytes. */
async function readSafetensors(path: string): Promise<Map<string, { shape: number[]; data: Float32Array }>> {
  const bytes = await bufferOf(path)
  const length = Number(new DataView(bytes).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length))) as SafetensorsHeader
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>()
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const {
      dtype,
      shape,
      data_offsets: [start, end],
    } = entry
    expect(dtype).toBe('F32')
    tensors.set(name, { shape, data: new Float32Array(bytes.slice(8 + length + start, 8 + length + end)) })
  }
  return tensors
}

describe('result files', () => {
  it('npy: the numbers of the library, one file a part and layer', async () => {
    const out = await extract('npy')
    expect(await filesBelow(join(out, 'features'))).toEqual(
      ['inception_3a.3x3', 'inception_5a'].flatMap(name => [`${name}/part-00000.npy`, `${name}/part-00001.npy`]),
    )
    for (const layer of layers) {
      const { shape, rows } = expected[layer]!
      for (const [part, images] of [
        [0, 3],
        [1, 2],
      ] as const) {
        const array = await load(await bufferOf(join(out, 'features', layer.replaceAll('/', '.'), `part-0000${part}.npy`)))
        expect(array).toMatchObject({ shape: [images, ...shape], dtype: 'f4', fortranOrder: false })
        const size = (array.data as Float32Array).length / images
        for (let row = 0; row < images; row++) {
          const found = Array.from(array.data as Float32Array).slice(row * size, (row + 1) * size)
          expect(drift(found, rows[part * 3 + row]!), layer).toBeLessThan(1e-5)
        }
      }
    }
    const { layers: described } = await readRun(out)
    expect(described).toEqual(
      layers.map(name => {
        const { shape } = expected[name]!
        return { name, shape, dtype: 'float32', bytesPerImage: shape.reduce((product, length) => product * length, 4) }
      }),
    )
  })

  it('npy, float16: read by NumPy', async context => {
    const out = await extract('npy16', '--dtype', 'float16')
    const halves = await load(await bufferOf(join(out, 'features', 'inception_5a', 'part-00000.npy')), { convertFloat16: true })
    expect(halves.shape).toEqual([3, 832, 2, 3])
    expect(drift(Array.from(halves.data as Float32Array).slice(0, 832 * 6), expected['inception_5a']!.rows[0]!)).toBeLessThan(1e-3)
    const program =
      'import json,sys,numpy; a=numpy.load(sys.argv[1]); print(json.dumps([str(a.dtype), list(a.shape), a[1].ravel().tolist()]))'
    const python = await promisify(execFile)('python3', ['-c', program, join(out, 'features', 'inception_5a', 'part-00001.npy')]).catch(
      (error: unknown) => String(error),
    )
    if (typeof python === 'string') return context.skip(`python3 with NumPy is not here: ${python}`)
    const [dtype, shape, row] = JSON.parse(python.stdout) as [string, number[], number[]]
    expect([dtype, shape]).toEqual(['float16', [2, 832, 2, 3]])
    expect(drift(row, expected['inception_5a']!.rows[4]!)).toBeLessThan(1e-3)
  })

  it('parquet with average pooling: a list column for each layer', async () => {
    const out = await extract('parquet', '--format', 'parquet', '--pool', 'avg')
    expect(await filesBelow(join(out, 'features'))).toEqual(['part-00000.parquet', 'part-00001.parquet'])
    const rows = await Promise.all(
      [0, 1].map(async part => parquetReadObjects({ file: await bufferOf(join(out, 'features', `part-0000${part}.parquet`)) })),
    )
    const all = rows.flat() as Record<string, unknown>[]
    expect(all.map(row => row['key'])).toEqual(keys)
    for (const [image, row] of all.entries()) {
      for (const layer of layers) {
        const found = row[layer] as number[]
        expect(found).toHaveLength(channels[layer as keyof typeof channels])
        expect(drift(found, pooled(layer, image, 'avg'))).toBeLessThan(1e-5)
      }
    }
  })

  it('safetensors with maximum pooling: a tensor for each layer', async () => {
    const out = await extract('safetensors', '--format', 'safetensors', '--pool', 'max')
    expect(await filesBelow(join(out, 'features'))).toEqual(['part-00000.safetensors', 'part-00001.safetensors'])
    const tensors = await readSafetensors(join(out, 'features', 'part-00001.safetensors'))
    for (const layer of layers) {
      const { shape, data } = tensors.get(layer)!
      const size = channels[layer as keyof typeof channels]
      expect(shape).toEqual([2, size])
      for (const row of [0, 1]) expect(drift(data.subarray(row * size, (row + 1) * size), pooled(layer, 3 + row, 'max'))).toBeLessThan(1e-5)
    }
  })
})
