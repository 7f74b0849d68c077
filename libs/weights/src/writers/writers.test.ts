import { mkdtemp, open, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { weightsIdentity } from '../identity.js'
import { readTensors } from '../read.js'
import { small, fabricate } from '../testing/fabricate.js'
import { writeAtomically } from '@layermill/core'
import { writeNpz } from './npz.js'
import { writeSafetensors, writeWeightsSafetensors } from './safetensors.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-writers-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function headerOf(path: string): Promise<{ header: Record<string, { dtype: string; data_offsets: number[] }>; start: number }> {
  const bytes = await readFile(path)
  const length = Number(bytes.readBigUInt64LE())
  return {
    header: JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, { dtype: string; data_offsets: number[] }>,
    start: 8 + length,
  }
}

describe('safetensors', () => {
  it("has data aligned to 8 and in the reference writer's order", async () => {
    const path = join(folder, 'a.safetensors')
    const tensors = fabricate(small.resnet50)
    await writeSafetensors(path, new Map([...tensors].toReversed()), { note: 'täxt' })
    const { header, start } = await headerOf(path)
    expect(start % 8).toBe(0)
    expect(header['__metadata__']).toEqual({ note: 'täxt' })
    expect(Object.keys(header).slice(1)).toEqual([...tensors.keys()].toSorted())
    const back = await readTensors(path)
    expect(new Map(back.metadata)).toEqual(new Map([['note', 'täxt']]))
    for (const [name, { data }] of tensors) expect(back.tensors.get(name)!.data).toEqual(data)
  })

  it("has torchvision's keys and counters for its family, counters first", async () => {
    const path = join(folder, 'tv.safetensors')
    const shapes = new Map([...small.resnet50].filter(([name]) => name !== 'conv1/b'))
    const tensors = fabricate(shapes)
    const sha256 = await weightsIdentity(tensors, {})
    await writeWeightsSafetensors(
      path,
      { id: 'resnet50.tv', architecture: 'resnet50', family: 'torchvision' },
      { tensors, variant: {}, source: 'x', format: 'random', sha256 },
    )
    const { header, start } = await headerOf(path)
    expect(start % 8).toBe(0)
    const names = Object.keys(header).slice(1)
    expect(names.slice(0, 2)).toEqual(['bn1.num_batches_tracked', 'layer1.0.bn1.num_batches_tracked'])
    expect(header['layer1.0.downsample.1.num_batches_tracked']).toMatchObject({ dtype: 'I64', shape: [] })
    expect(names).toContain('layer3.5.conv3.weight')
    expect(names).toContain('fc.bias')
    expect(names).toHaveLength(shapes.size + 5)
  })

  it('refuses a tensor whose data are not of its shape', async () => {
    const wrong = new Map([['a', { shape: [3], data: new Float32Array(2) }]])
    await expect(writeSafetensors(join(folder, 'b.safetensors'), wrong)).rejects.toMatchObject({ code: 'TENSOR_SHAPE' })
    await expect(writeNpz(join(folder, 'b.npz'), wrong)).rejects.toMatchObject({ code: 'TENSOR_SHAPE' })
  })
})

describe('npz', () => {
  it("has Chainer's keys, counters included, is the same each time, and keeps texts of any alphabet", async () => {
    const [a, b] = [join(folder, 'a.npz'), join(folder, 'b.npz')]
    const tensors = fabricate(small.resnet50)
    for (const path of [a, b]) await writeNpz(path, tensors, { source: 'Gewichte für 重み' })
    expect((await readFile(a)).equals(await readFile(b))).toBe(true)
    const back = await readTensors(a)
    expect(back.metadata.get('source')).toBe('Gewichte für 重み')
    expect([...back.tensors.keys()].filter(name => name.endsWith('/N'))).toEqual([
      'bn1/N',
      'res2/a/bn1/N',
      'res2/a/bn2/N',
      'res2/a/bn4/N',
      'res4/b5/bn3/N',
    ])
    expect(back.tensors.get('bn1/N')).toEqual({ shape: [], data: new Float32Array([0]) })
    for (const [name, { data }] of tensors) expect(back.tensors.get(name)!.data).toEqual(data)
  })
})

describe('writing', () => {
  it('leaves the old file, and nothing else, when it fails', async () => {
    const path = join(folder, 'atomic', 'file')
    await writeAtomically(path, async handle => void (await handle.write('old')))
    const failing = writeAtomically(path, async handle => {
      await handle.write('new')
      throw new Error('disk full')
    })
    await expect(failing).rejects.toThrow('disk full')
    expect(await readFile(path, 'utf8')).toBe('old')
    expect(await readdir(join(folder, 'atomic'))).toEqual(['file'])
  })

  it('lets readers of the old file finish', async () => {
    const path = join(folder, 'atomic', 'read')
    await writeSafetensors(path, fabricate(small.vgg16))
    const reader = await open(path, 'r')
    try {
      await writeSafetensors(path, new Map())
      expect((await reader.stat()).size).toBeGreaterThan(1000)
    } finally {
      await reader.close()
    }
  })
})
