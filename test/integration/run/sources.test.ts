import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage } from '../../helpers/images.js'
import { commitFaults, type IndexEntry, readIndex, readNpy } from '../../helpers/results.js'

const folder = testFolder('sources')
/** In the order of their keys' UTF-8 bytes. */
const keys = ['B.png', 'a/1.png', 'a/10.png', 'a/b/c.jpg', 'a/2.png', 'é.png']
const inOrder = ['B.png', 'a/1.png', 'a/10.png', 'a/2.png', 'a/b/c.jpg', 'é.png']

let photos: string
let values: Map<string, number[]>

/** Extracts a source in parts of two and returns its index. */
async function extract(source: string, name: string): Promise<{ out: string; index: IndexEntry[] }> {
  const out = join(await folder(), name)
  const { code, stderr } = await runCli(smallRun(source, out, '--pool', 'avg', '--part-size', '2'))
  expect(code, stderr).toBe(0)
  expect(await commitFaults(out)).toEqual([])
  return { out, index: await readIndex(out) }
}

const keysOf = (index: readonly IndexEntry[]): string[] => index.map(({ key }) => key)
const labelsOf = (index: readonly IndexEntry[]): unknown[] => index.map(({ label }) => label ?? null)

beforeAll(async () => {
  photos = join(await folder(), 'photos')
  for (const [i, key] of keys.entries()) {
    await writeImage(photos, key, i, { width: 20 + i, height: 30 + i, format: key.endsWith('jpg') ? 'jpeg' : 'png' })
  }
  await writeFile(join(photos, 'notes.txt.bak'), 'not an image')
  await writeFile(join(photos, '.hidden.png'), 'hidden')
})

describe('sources', () => {
  it('a folder: all images below it, in the order of their keys, each with its size', async () => {
    const { out, index } = await extract(photos, 'folder')
    expect(keysOf(index)).toEqual(inOrder)
    expect(labelsOf(index)).toEqual(inOrder.map(() => null))
    expect(index.map(({ width, height }) => [width, height])).toEqual(inOrder.map(key => [20 + keys.indexOf(key), 30 + keys.indexOf(key)]))
    expect(index.map(({ part, row }) => [part, row])).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ])
    values = await readNpy(out, 'conv2')
    // Different pictures have different numbers, so that the comparisons below can fail.
    expect(new Set([...values.values()].map(String)).size).toBe(keys.length)
  })

  it('a glob: what matches, keys from where the pattern starts', async () => {
    const { out, index } = await extract(join(photos, 'a', '*.png'), 'glob')
    expect(keysOf(index)).toEqual(['1.png', '10.png', '2.png'])
    expect((await readNpy(out, 'conv2')).get('10.png')).toEqual(values.get('a/10.png'))
  })

  it('a text list: its images in its order', async () => {
    const list = join(photos, 'list.txt')
    await writeFile(list, 'é.png\n\na/2.png\nB.png\n')
    const { out, index } = await extract(list, 'txt')
    expect(keysOf(index)).toEqual(['é.png', 'a/2.png', 'B.png'])
    expect((await readNpy(out, 'conv2')).get('a/2.png')).toEqual(values.get('a/2.png'))
  })

  it('a csv list: labels from its column', async () => {
    const list = join(photos, 'list.csv')
    await writeFile(list, 'label,path\n"cat, tabby",a/1.png\n,B.png\ndog,a/b/c.jpg\n')
    const { index } = await extract(list, 'csv')
    expect(keysOf(index)).toEqual(['a/1.png', 'B.png', 'a/b/c.jpg'])
    expect(labelsOf(index)).toEqual(['cat, tabby', null, 'dog'])
  })

  it('a jsonl list: labels as text', async () => {
    const list = join(photos, 'list.jsonl')
    await writeFile(list, `${JSON.stringify({ path: 'é.png', label: 7 })}\n${JSON.stringify({ image: 'B.png', label: 'x' })}\n`)
    const { index } = await extract(list, 'jsonl')
    expect(keysOf(index)).toEqual(['é.png', 'B.png'])
    expect(labelsOf(index)).toEqual(['7', 'x'])
  })

  it('one image', async () => {
    const { out, index } = await extract(join(photos, 'B.png'), 'image')
    expect(keysOf(index)).toEqual(['B.png'])
    expect((await readNpy(out, 'conv2')).get('B.png')).toEqual(values.get('B.png'))
  })

  it('class folders: the label is the folder', async () => {
    const pets = join(await folder(), 'pets')
    for (const [i, key] of ['dog/1.png', 'cat/1.png', 'cat/young/2.png'].entries()) await writeImage(pets, key, i)
    const { index } = await extract(pets, 'classes')
    expect(keysOf(index)).toEqual(['cat/1.png', 'cat/young/2.png', 'dog/1.png'])
    expect(labelsOf(index)).toEqual(['cat', 'cat', 'dog'])
  })

  it('a folder without images is refused, and works once there is one', async () => {
    const empty = join(await folder(), 'empty')
    await mkdir(empty)
    await writeFile(join(empty, 'a.txt'), '')
    const out = join(await folder(), 'empty-out')
    const refused = await runCli(smallRun(empty, out))
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('[SOURCE_EMPTY]')
    expect(refused.stderr).toContain('1 .txt')
    await writeImage(empty, 'a.png', 1)
    expect((await runCli(smallRun(empty, out))).code).toBe(0)
    expect(keysOf(await readIndex(out))).toEqual(['a.png'])
  })
})
