import { mkdir, mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeWeightFile } from './weight-file.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weight-file-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const tensors = new Map([
  ['conv1/W', Uint8Array.from({ length: 5000 }, (_, i) => i % 251)],
  ['conv1/b', Uint8Array.of(1, 2, 3, 4)],
])

describe('writeWeightFile', () => {
  it('puts each tensor where it says, at a page of its own', async () => {
    const file = await writeWeightFile(tensors, [folder])
    for (const [name, data] of tensors) {
      const { location, offset } = file!.places.get(name)!
      const bytes = await readFile(join(file!.folder, location))
      expect(offset % 4096).toBe(0)
      expect(bytes.subarray(offset, offset + data.length).equals(data), name).toBe(true)
    }
    await file!.remove()
    expect(await readdir(folder)).toEqual([])
  })

  it('goes on to the next folder where one is not there, and gives up behind the last', async () => {
    const absent = join(folder, 'absent')
    const file = await writeWeightFile(tensors, [absent, folder])
    expect(file!.folder.startsWith(folder)).toBe(true)
    await file!.remove()
    expect(await writeWeightFile(tensors, [absent])).toBeUndefined()
    expect(await writeWeightFile(tensors, [])).toBeUndefined()
  })

  it('does not begin what would not fit', async () => {
    const huge = new Map([['W', { byteLength: Number.MAX_SAFE_INTEGER / 4 } as Uint8Array]])
    expect(await writeWeightFile(huge, [folder])).toBeUndefined()
    expect(await readdir(folder)).toEqual([])
  })

  it('removes what killed processes left behind, and nothing that may be in use', async () => {
    const [old, recent, other] = ['layermill-weights-old', 'layermill-weights-new', 'something-else'].map(name => join(folder, name))
    for (const path of [old!, recent!, other!]) await mkdir(path)
    const anHourAgo = Date.now() / 1000 - 3600
    for (const path of [old!, other!]) await utimes(path, anHourAgo, anHourAgo)
    const file = await writeWeightFile(tensors, [folder])
    await file!.remove()
    expect(await readdir(folder)).toEqual(['layermill-weights-new', 'something-else'])
  })
})
