import { deflateRawSync } from 'node:zlib'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ZipFile } from 'yazl'
import type { Architecture, Family } from '@layermill/models'
import { fromBytes, openFile, type RandomAccess, type Tensor, type TensorMap } from '@layermill/core'
import { assembleWeights } from '../assemble.js'
import { initialiseParameter } from '../initialise.js'
import { torchvisionKey } from '../names/scheme.js'
import { type CaffeOptions, encodeCaffemodel, fabricate, small, toCaffeLayers } from '../testing/fabricate.js'
import type { WeightSet } from '../types.js'
import { writeNpz } from '../writers/npz.js'
import { writeSafetensors } from '../writers/safetensors.js'
import { openTensorFile } from './detect.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-readers-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

type Shapes = ReadonlyMap<string, readonly number[]>

async function read(file: RandomAccess, architecture: Architecture, shapes: Shapes, family: Family = 'caffe'): Promise<WeightSet> {
  const opened = await openTensorFile(file)
  try {
    return await assembleWeights(
      opened,
      { id: family === 'caffe' ? architecture : `${architecture}.tv`, architecture, family },
      shapes,
      'test',
    )
  } finally {
    await opened.close()
    await file.close()
  }
}

function expectSame(found: TensorMap, expected: TensorMap, digits?: number): void {
  expect([...found.keys()]).toEqual([...expected.keys()])
  for (const [name, tensor] of expected) {
    const other = found.get(name)!
    expect(other.shape, name).toEqual(tensor.shape)
    if (digits === undefined)
      expect(
        Buffer.from(other.data.buffer, other.data.byteOffset, other.data.byteLength).equals(Buffer.from(tensor.data.buffer)),
        name,
      ).toBe(true)
    else for (const [i, value] of tensor.data.entries()) expect(other.data[i], `${name}[${i}]`).toBeCloseTo(value, digits)
  }
}

const vggLinks = new Map(['conv1_1', 'conv5_3', 'fc6', 'fc7', 'fc8'].map(name => [name, name]))
const resnetLinks = new Map([
  ['conv1', 'conv1'],
  ['bn1', '_conv1'],
  ['res2/a/conv1', 'res2a_branch2a'],
  ['res2/a/bn1', '2a_branch2a'],
  ['res2/a/conv2', 'res2a_branch2b'],
  ['res2/a/bn2', '2a_branch2b'],
  ['res2/a/conv4', 'res2a_branch1'],
  ['res2/a/bn4', '2a_branch1'],
  ['res4/b5/conv3', 'res4f_branch2c'],
  ['res4/b5/bn3', '4f_branch2c'],
  ['fc6', 'fc1000'],
])
const googlenetLinks = new Map([
  ['conv2_reduce', 'conv2/3x3_reduce'],
  ['inc3a/proj5', 'inception_3a/5x5_reduce'],
  ['inc5b/projp', 'inception_5b/pool_proj'],
  ['loss1_fc1', 'loss1/fc'],
  ['loss3_fc', 'loss3/classifier'],
])

describe('.caffemodel', () => {
  const layouts: CaffeOptions[] = (['V1', 'new'] as const).flatMap(layout =>
    (['packed', 'unpacked', 'double', 'unpackedDouble'] as const).map(numbers => ({ layout, numbers })),
  )
  it.each(layouts)('reads $layout layers with $numbers numbers', async options => {
    const tensors = fabricate(small.vgg16)
    const weights = await read(fromBytes(encodeCaffemodel(toCaffeLayers(tensors, vggLinks), options)), 'vgg16', small.vgg16)
    expectSame(weights.tensors, tensors)
    expect(weights).toMatchObject({ variant: {}, format: 'caffemodel' })
  })

  it('divides statistics by their factor and reads the scale layer beside', async () => {
    const tensors = fabricate(small.resnet50)
    const file = encodeCaffemodel(toCaffeLayers(tensors, resnetLinks, 4), { layout: 'new' })
    expectSame((await read(fromBytes(file), 'resnet50', small.resnet50)).tensors, tensors)
  })

  it('takes a factor of zero for statistics of zero', async () => {
    const tensors = fabricate(small.resnet50)
    const file = encodeCaffemodel(toCaffeLayers(tensors, resnetLinks, 0), { layout: 'new' })
    const { tensors: found } = await read(fromBytes(file), 'resnet50', small.resnet50)
    expect(found.get('bn1/avg_mean')!.data).toEqual(new Float32Array(4))
    expect(found.get('bn1/gamma')!.data).toEqual(tensors.get('bn1/gamma')!.data)
  })

  it('names the blocks of the deeper ResNets by number, and fills the bias that their stem lacks', async () => {
    const shapes = new Map(small.resnet50)
    const tensors = fabricate(shapes)
    tensors.set('conv1/b', { shape: [4], data: new Float32Array(4) })
    const withoutBias = new Map(tensors)
    withoutBias.delete('conv1/b')
    const links = new Map([...resnetLinks].map(([link, layer]) => [link, layer.replace('4f', '4b5')]))
    const file = encodeCaffemodel(toCaffeLayers(withoutBias, links), { layout: 'new' })
    expectSame((await read(fromBytes(file), 'resnet101', shapes)).tensors, tensors)
  })

  it('knows the slashed names of GoogLeNet', async () => {
    const tensors = fabricate(small.googlenet)
    const file = encodeCaffemodel(toCaffeLayers(tensors, googlenetLinks), { layout: 'V1' })
    expectSame((await read(fromBytes(file), 'googlenet', small.googlenet)).tensors, tensors)
  })

  it('reads numbers that come in more than one packed field', async () => {
    const tensors = new Map<string, Tensor>([['fc8/W', { shape: [2, 2], data: new Float32Array([1, 2, 3, 4]) }]])
    const whole = encodeCaffemodel([{ name: 'fc8', blobs: [tensors.get('fc8/W')!] }], { layout: 'V1' })
    const at = whole.indexOf(Buffer.from([(5 << 3) | 2, 16]))
    const halves = [whole.subarray(at + 2, at + 10), whole.subarray(at + 10, at + 18)]
    const split = Buffer.concat([whole.subarray(0, at), ...halves.flatMap(half => [Buffer.from([42, 8]), half]), whole.subarray(at + 18)])
    // Two more bytes in the blob and in the layer around it.
    const grown = Buffer.from(split)
    const layerLength = whole.indexOf(Buffer.from([(2 << 3) | 2]), 13) + 1
    const blobLength = at - 9
    grown[layerLength] = whole[layerLength]! + 2
    grown[blobLength] = whole[blobLength]! + 2
    expectSame((await read(fromBytes(grown), 'vgg16', new Map([['fc8/W', [2, 2]]]))).tensors, tensors)
  })

  it('refuses a file with both layouts', async () => {
    const layer = [{ name: 'fc8', blobs: [{ shape: [1], data: new Float32Array(1) }] }]
    const file = Buffer.concat([encodeCaffemodel(layer, { layout: 'V1' }), encodeCaffemodel(layer, { layout: 'new' })])
    await expect(read(fromBytes(file), 'vgg16', new Map())).rejects.toMatchObject({ code: 'WEIGHTS_FORMAT', message: /both layouts/ })
  })
})

function encodeSafetensors(entries: Record<string, { dtype: string; shape: readonly number[]; bytes: Uint8Array }>, pad = 0): Buffer {
  const header: Record<string, unknown> = {}
  let offset = 0
  for (const [name, { dtype, shape, bytes }] of Object.entries(entries)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] }
    offset += bytes.length
  }
  const json = Buffer.from(JSON.stringify(header) + ' '.repeat(pad))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, ...Object.values(entries).map(entry => entry.bytes)])
}

const bytesOf = (data: Float32Array | Float64Array | Uint16Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength)

describe('.safetensors', () => {
  it.each([0, 1, 2, 3, 5])('reads data that begin %i bytes off', async pad => {
    const tensors = fabricate(small.vgg16)
    const names = new Map([
      ['conv1_1', 'features.0'], ['conv5_3', 'features.28'], ['fc6', 'classifier.0'], ['fc7', 'classifier.3'], ['fc8', 'classifier.6'],
    ]) // prettier-ignore
    const entries = [...tensors].map(([name, { shape, data }]) => {
      const [link, kind] = name.split('/')
      return [`${names.get(link!)}.${kind === 'W' ? 'weight' : 'bias'}`, { dtype: 'F32', shape: [...shape], bytes: bytesOf(data) }] as const
    })
    const weights = await read(fromBytes(encodeSafetensors(Object.fromEntries(entries), pad)), 'vgg16', small.vgg16, 'torchvision')
    expectSame(weights.tensors, tensors)
  })

  it("reads timm's VGG, whose classifier is convolutions", async () => {
    const tensors = fabricate(small.vgg16)
    const names = new Map([
      ['conv1_1', 'features.0'], ['conv5_3', 'features.28'], ['fc6', 'pre_logits.fc1'], ['fc7', 'pre_logits.fc2'], ['fc8', 'head.fc'],
    ]) // prettier-ignore
    const shapes: Record<string, number[]> = { 'fc6/W': [10, 6, 7, 7], 'fc7/W': [8, 10, 1, 1] }
    const entries = [...tensors].map(([name, { shape, data }]) => {
      const [link, kind] = name.split('/')
      const entry = { dtype: 'F32', shape: shapes[name] ?? [...shape], bytes: bytesOf(data) }
      return [`${names.get(link!)}.${kind === 'W' ? 'weight' : 'bias'}`, entry] as const
    })
    const weights = await read(fromBytes(encodeSafetensors(Object.fromEntries(entries))), 'vgg16', small.vgg16, 'torchvision')
    expectSame(weights.tensors, tensors)
  })

  it('holds tensors in memory that threads share, but not those that are handed over to one', async () => {
    const path = join(folder, 'held.safetensors')
    const data = Float32Array.of(1.5, -2, 3, 4)
    await writeSafetensors(path, new Map([['w', { shape: [2, 2], data }]]))
    for (const handOver of [false, true]) {
      await using file = await openFile(path)
      await using opened = await openTensorFile(file, { handOver })
      const found = await opened.entries.get('w')!.read()
      expect([found, found.buffer instanceof SharedArrayBuffer]).toEqual([data, !handOver])
    }
  })

  it('widens F16 and BF16 and narrows F64, special values included', async () => {
    const file = encodeSafetensors({
      half: { dtype: 'F16', shape: [8], bytes: bytesOf(new Uint16Array([0x3c00, 0xc000, 0x0001, 0x03ff, 0x7bff, 0x7c00, 0xfe00, 0x8000])) },
      brain: { dtype: 'BF16', shape: [3], bytes: bytesOf(new Uint16Array([0x3f80, 0xc049, 0x7f80])) },
      double: { dtype: 'F64', shape: [2], bytes: bytesOf(new Float64Array([0.1, -1e300])) },
    })
    const { entries } = await openTensorFile(fromBytes(file))
    expect([...(await entries.get('half')!.read())]).toEqual([1, -2, 2 ** -24, 1023 * 2 ** -24, 65504, Infinity, NaN, -0])
    expect([...(await entries.get('brain')!.read())]).toEqual([1, -3.140625, Infinity])
    expect([...(await entries.get('double')!.read())]).toEqual([Math.fround(0.1), -Infinity])
  })

  it("initialises torchvision's auxiliary classifiers when all are missing, and says so; some of them is an error", async () => {
    const shapes = new Map([
      ['inc3a/conv1/W', [2, 3, 1, 1]],
      ...['gamma', 'beta', 'avg_mean', 'avg_var'].map((kind): [string, number[]] => [`inc3a/conv1/bn/${kind}`, [2]]),
      ['loss1_conv/W', [2, 2, 1, 1]],
      ['loss1_fc1/W', [2, 2]],
      ['loss1_fc1/b', [2]],
      ['loss3_fc/W', [2, 2]],
      ['loss3_fc/b', [2]],
    ])
    const tensors = fabricate(shapes)
    const encode = (keep: (name: string) => boolean): Buffer => {
      const kept = [...tensors].filter(([name]) => keep(name))
      return encodeSafetensors(
        Object.fromEntries(
          kept.map(([name, { shape, data }]) => [torchvisionKey('googlenet', name)!, { dtype: 'F32', shape, bytes: bytesOf(data) }]),
        ),
      )
    }
    const whole = await read(fromBytes(encode(() => true)), 'googlenet', shapes, 'torchvision')
    expectSame(whole.tensors, tensors)
    expect(whole.missingAuxiliary).toBeUndefined()
    const without = await read(fromBytes(encode(name => !name.startsWith('loss1'))), 'googlenet', shapes, 'torchvision')
    expect(without.missingAuxiliary).toBe(true)
    expect([...without.tensors.keys()]).toEqual([...shapes.keys()])
    expect(without.tensors.get('loss1_fc1/W')).toEqual(
      initialiseParameter({ architecture: 'googlenet', family: 'torchvision' }, 'loss1_fc1/W', shapes, '0'),
    )
    await expect(read(fromBytes(encode(name => name !== 'loss1_fc1/b')), 'googlenet', shapes, 'torchvision')).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      message: /1 missing \(aux1.fc1.bias 2\)/,
    })
  })

  const float32 = (values: number): Buffer => Buffer.alloc(4 * values)
  const header = (json: string, data = 0): Buffer => {
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(json.length))
    return Buffer.concat([length, Buffer.from(json), Buffer.alloc(data)])
  }
  it.each([
    ['a hole', header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8), /hole/],
    [
      'an overlap',
      header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}', 6),
      /overlap/,
    ],
    [
      'a doubled name',
      header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8),
      /hole/,
    ],
    [
      'bytes at the end',
      Buffer.concat([encodeSafetensors({ a: { dtype: 'F32', shape: [1], bytes: float32(1) } }), float32(1)]),
      /follow the last/,
    ],
    ['a shape that is not its size', header('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4), /takes 8/],
    ['a negative dimension', header('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4), /valid shape/],
    ['offsets the wrong way', header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', 4), /data_offsets/],
    ['a header that is no JSON', header('{"a":'), /not JSON/],
  ])('refuses %s', async (_what, bytes, message) => {
    await expect(openTensorFile(fromBytes(bytes))).rejects.toMatchObject({ code: 'WEIGHTS_FORMAT', message })
  })

  it('refuses a header of a gigabyte and a cut-off file', async () => {
    const bytes = encodeSafetensors({ a: { dtype: 'F32', shape: [4], bytes: float32(4) } })
    await expect(openTensorFile(fromBytes(bytes.subarray(0, bytes.length - 1)))).rejects.toMatchObject({ code: 'WEIGHTS_TRUNCATED' })
    const huge = Buffer.from(bytes)
    huge.writeBigUInt64LE(1_000_000_000n)
    await expect(openTensorFile(fromBytes(huge))).rejects.toMatchObject({ code: 'WEIGHTS_FORMAT' })
    const many = Object.fromEntries(Array.from({ length: 20_001 }, (_, i) => [`t${i}`, { dtype: 'F32', shape: [0], bytes: float32(0) }]))
    await expect(openTensorFile(fromBytes(encodeSafetensors(many)))).rejects.toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: /20001 tensors \(at most 20000\)/,
    })
  })
})

function npy(descr: string, shape: string, data: Uint8Array, fortran = 'False', version = 1): Buffer {
  const text = `{'shape': ${shape}, 'fortran_order': ${fortran}, 'descr': ${descr}}\n`
  const head = version === 1 ? Buffer.alloc(10) : Buffer.alloc(12)
  head.write('\x93NUMPY', 'latin1')
  head[6] = version
  if (version === 1) head.writeUInt16LE(text.length, 8)
  else head.writeUInt32LE(text.length, 8)
  return Buffer.concat([head, Buffer.from(text), data])
}

async function zip(files: Record<string, Buffer>, options: { compress: boolean; forceZip64Format?: boolean }): Promise<Buffer> {
  const archive = new ZipFile()
  for (const [name, bytes] of Object.entries(files)) archive.addBuffer(bytes, name, options)
  archive.end({ forceZip64Format: options.forceZip64Format ?? false, comment: '' })
  const chunks: Buffer[] = []
  for await (const chunk of archive.outputStream as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('.npz', () => {
  it.each([
    { compress: false, forceZip64Format: false },
    { compress: true, forceZip64Format: false },
    { compress: false, forceZip64Format: true },
    { compress: true, forceZip64Format: true },
  ])('reads an archive with $compress, zip64 $forceZip64Format', async options => {
    const tensors = fabricate(small.resnet50)
    const files: Record<string, Buffer> = { 'bn1/N.npy': npy("'<i8'", '()', Buffer.alloc(8)) }
    for (const [name, { shape, data }] of tensors) files[`${name}.npy`] = npy("'<f4'", `(${shape.join(', ')},)`, bytesOf(data))
    expectSame((await read(fromBytes(await zip(files, options)), 'resnet50', small.resnet50)).tensors, tensors)
  })

  it('reads other float types, versions of the header, and column-major data', async () => {
    const file = await zip(
      {
        'double.npy': npy("'<f8'", '(2,)', bytesOf(new Float64Array([0.5, 3])), 'False', 2),
        'half.npy': npy("'<f2'", '(1, 2)', bytesOf(new Uint16Array([0x3c00, 0x4000])), 'False', 3),
        'fortran.npy': npy("'<f4'", '(2, 3)', bytesOf(new Float32Array([1, 4, 2, 5, 3, 6])), 'True'),
        'scalar.npy': npy("'<i8'", '()', bytesOf(new Float64Array(1))),
      },
      { compress: true },
    )
    const { entries } = await openTensorFile(fromBytes(file))
    expect([...(await entries.get('double')!.read())]).toEqual([0.5, 3])
    expect([...(await entries.get('half')!.read())]).toEqual([1, 2])
    expect([...(await entries.get('fortran')!.read())]).toEqual([1, 2, 3, 4, 5, 6])
    expect(entries.get('scalar')!.shape).toEqual([])
  })

  it('never unpickles objects', async () => {
    const file = await zip({ 'fc8/b.npy': npy("'|O'", '(1,)', Buffer.from('cos\nsystem\n(S"false"\ntR.')) }, { compress: false })
    await expect(read(fromBytes(file), 'vgg16', new Map([['fc8/b', [1]]]))).rejects.toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: /never unpickled/,
    })
  })

  it('refuses a zip bomb without inflating it', async () => {
    const bomb = npy("'<f4'", '(26214400,)', Buffer.alloc(104857600))
    const honest = await zip({ 'fc8/b.npy': bomb }, { compress: true })
    // By its size: the network asks for one number.
    await expect(read(fromBytes(honest), 'vgg16', new Map([['fc8/b', [1]]]))).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      message: /26214400/,
    })
    // By its claim: more than DEFLATE can reach.
    const claim = Buffer.from(await zip({ 'fc8/b.npy': npy("'<f4'", '(1,)', Buffer.alloc(4)) }, { compress: true }))
    claim.writeUInt32LE(4_000_000_000, claim.indexOf('PK\x01\x02', 'latin1') + 24)
    await expect(openTensorFile(fromBytes(claim))).rejects.toMatchObject({ code: 'WEIGHTS_FORMAT', message: /no honest archive/ })
  })

  it('notices data that do not match their checksum, deflated or not', async () => {
    for (const compress of [false, true]) {
      const array = npy("'<f4'", '(64,)', bytesOf(new Float32Array(64).fill(1.5)))
      const file = Buffer.from(await zip({ 'fc8/b.npy': array }, { compress }))
      if (compress) {
        file.writeUInt32LE(1, file.indexOf('PK\x01\x02', 'latin1') + 16)
        expect(deflateRawSync(array).length).toBeLessThan(array.length)
      } else {
        file[file.indexOf(array) + array.length - 1]! ^= 1
      }
      await expect(read(fromBytes(file), 'vgg16', new Map([['fc8/b', [64]]]))).rejects.toMatchObject({
        code: 'WEIGHTS_FORMAT',
        message: /checksum/,
      })
    }
  })
})

describe('any format', () => {
  it('tells what a wrong file is', async () => {
    const torch = await zip({ 'archive/data.pkl': Buffer.from('x') }, { compress: false })
    for (const [bytes, message] of [
      [torch, /PyTorch checkpoint/],
      [Buffer.from([0x80, 2, 0x8a, 10, 0x6c]), /pickle/],
      [Buffer.from('<!DOCTYPE html><html>Not found</html>'), /web page/],
      [Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00'), /Git LFS/],
      [Buffer.from([0x1f, 0x8b, 8, 0]), /gzip/],
      [npy("'<f4'", '(1,)', Buffer.alloc(4)), /single .npy/],
      [Buffer.from('hello, world'), /no known format/],
    ] as const) {
      await expect(openTensorFile(fromBytes(bytes, 'weights.bin'))).rejects.toMatchObject({ code: 'WEIGHTS_FORMAT', message })
    }
    await expect(openTensorFile(fromBytes(Buffer.alloc(0)))).rejects.toMatchObject({ code: 'WEIGHTS_TRUNCATED' })
    await expect(openFile(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'WEIGHTS_NOT_FOUND' })
    await expect(openFile(folder)).rejects.toMatchObject({ code: 'WEIGHTS_NOT_FOUND' })
  })

  it('names what is missing, left over and misshapen, ten of each at most', async () => {
    const tensors = fabricate(small.resnet50)
    tensors.delete('fc6/b')
    tensors.set('fc6/W', { shape: [6, 7], data: new Float32Array(42) })
    for (let i = 0; i < 12; i++) tensors.set(`more${String(i).padStart(2, '0')}/W`, { shape: [1], data: new Float32Array(1) })
    const path = join(folder, 'wrong.safetensors')
    await writeSafetensors(path, tensors)
    await expect(read(await openFile(path), 'resnet50', small.resnet50)).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      message: expect.stringMatching(
        /1 missing \(fc6\/b 7\); 12 unexpected \(more00\/W 1,.*more09\/W 1 and 2 more\); 1 of another shape \(fc6\/W is 6x7, expected 7x6\)/,
      ) as unknown,
    })
  })

  it("refuses one family's weights for the other's network", async () => {
    const path = join(folder, 'family.npz')
    await writeNpz(path, fabricate(small.vgg16))
    await expect(read(await openFile(path), 'vgg16', small.vgg16, 'torchvision')).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      hint: 'use --model vgg16',
    })
  })

  it('gives the same identity to the same tensors in every format', async () => {
    const tensors = fabricate(small.vgg16)
    const [a, b, c] = ['a.npz', 'a.safetensors', 'a.caffemodel'].map(name => join(folder, name)) as [string, string, string]
    await writeNpz(a, tensors)
    await writeSafetensors(b, tensors)
    await writeFile(c, encodeCaffemodel(toCaffeLayers(tensors, vggLinks), { layout: 'V1' }))
    const identities = new Set<string>()
    for (const path of [a, b, c]) identities.add((await read(await openFile(path), 'vgg16', small.vgg16)).sha256)
    expect(identities.size).toBe(1)
    const bytes = await readFile(b)
    bytes[bytes.length - 1]! ^= 1
    identities.add((await read(fromBytes(bytes), 'vgg16', small.vgg16)).sha256)
    expect(identities.size).toBe(2)
  })
})
