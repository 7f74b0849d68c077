import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LeftOut } from '../left-out.js'
import { openSource } from '../open-source.js'
import type { ImageSource, SourceItem } from '../source.js'
import { readPax } from './tar-header.js'

let folder = ''
const long = `${'deep/'.repeat(30)}${'n'.repeat(120)}.jpg`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-tar-'))
})
afterAll(async () => rm(folder, { recursive: true }))

/** Packs files, each holding its own name unless told, in the order given. */
async function pack(name: string, files: Record<string, string>, ...flags: string[]): Promise<string> {
  const root = await mkdtemp(join(folder, 'files-'))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  const tar = join(folder, name)
  execFileSync('tar', ['-cf', tar, ...flags, '-C', root, ...Object.keys(files)])
  return tar
}

async function itemsOf(source: ImageSource, after?: string): Promise<SourceItem[]> {
  const items: SourceItem[] = []
  for await (const item of source.items({ after })) items.push(item)
  return items
}

const fileOf = (key: string): string => key.slice(key.indexOf('.tar/') + '.tar/'.length)

it('refuses pax fields with anything behind them', () => {
  expect(readPax(Buffer.from('11 path=ab\n'))).toEqual(new Map([['path', 'ab']]))
  for (const rest of ['x', '0', 'path=cd\n', '\0'.repeat(5)]) expect(readPax(Buffer.from(`11 path=ab\n${rest}`))).toBeUndefined()
})

describe('tar archives', () => {
  it.each(['gnu', 'pax', 'ustar'])('reads %s, long names too, each image by its place and by its key alone', async format => {
    const names = ['a.jpg', 'notes.txt', 'b/c.PNG', ...(format === 'ustar' ? [] : [long]), 'empty.webp', '.hidden.jpg']
    const path = await pack(
      `${format}.tar`,
      Object.fromEntries(names.map(name => [name, name.startsWith('empty') ? '' : name])),
      `--format=${format}`,
    )
    const source = await openSource(path)
    const items = await itemsOf(source)
    expect(items.map(({ key }) => fileOf(key))).toEqual(names.filter(name => name !== 'notes.txt' && name !== '.hidden.jpg'))
    for (const item of items) {
      const expected = item.key.endsWith('empty.webp') ? '' : fileOf(item.key)
      expect(item.bytes).toBe(expected.length)
      expect(Buffer.from(await source.read(item)).toString()).toBe(expected)
      expect(Buffer.from(await source.read({ key: item.key })).toString()).toBe(expected)
    }
    expect(await itemsOf(source, items[1]?.key)).toEqual(items.slice(2))
  })

  it('lets .cls decide over .json, whichever stands first', async () => {
    const path = await pack('order.tar', {
      '1.cls': '7',
      '1.jpg': 'x',
      '1.json': '{"label":"cat"}',
      '2.json': '{"label":"cat"}',
      '2.jpg': 'x',
      '2.cls': '8',
      '3.jpg': 'x',
      '3.cls': '9',
      '3.json': '{"cls":1}',
      '4.json': '{"cls":2}',
      '4.cls': '',
      '4.jpg': 'x',
    })
    expect((await itemsOf(await openSource(path))).map(({ label }) => label)).toEqual(['7', '8', '9', '2'])
  })

  it.each(['gnu', 'pax'])('keeps names that are not UTF-8 apart (%s), and what has no extension', async format => {
    const root = await mkdtemp(join(folder, 'raw-'))
    const names = ['caf\xe9.jpg', 'caf\xe8.jpg', '\xb9\xb7/1.jpg', `${'n'.repeat(110)}\xff.jpg`, 'picture', 'LICENSE']
    for (const name of names) {
      const path = Buffer.from(`${root}/${name}`, 'latin1')
      await mkdir(path.subarray(0, path.lastIndexOf('/')), { recursive: true })
      await writeFile(path, name === 'picture' ? Buffer.from('GIF89a') : Buffer.from(name, 'latin1'))
    }
    const tar = join(folder, `raw-${format}.tar`)
    // Archivers refuse the pax form of such names where they know their encoding.
    execFileSync('tar', ['-cf', tar, `--format=${format}`, '-C', root, '.'], {
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const source = await openSource(tar)
    const leftOut = new LeftOut()
    const items: SourceItem[] = []
    for await (const item of source.items({ leftOut })) items.push(item)
    expect(items.map(({ key }) => fileOf(key)).toSorted()).toEqual(
      ['_raw%%B9%B7/1.jpg', '_raw%caf%E8.jpg', '_raw%caf%E9.jpg', `_raw%${'n'.repeat(110)}%FF.jpg`, 'picture'].toSorted(),
    )
    expect(leftOut.table()).toMatchObject([{ reason: 'without extension, and not a picture', count: 1 }])
    for (const item of items)
      if (!item.key.endsWith('picture')) expect(names).toContain(Buffer.from(await source.read(item)).toString('latin1'))
  })

  it('takes labels from .cls and .json of the sample, before or behind the image', async () => {
    const path = await pack('labels.tar', { '1.cls': '7\n', '1.jpg': 'x', '2.jpg': 'x', '2.json': '{"label":"cat"}', 'dog/3.jpg': 'x' })
    const labels = async (rule: 'auto' | 'folder' | 'none'): Promise<unknown[]> =>
      (await itemsOf(await openSource(path, { labels: rule }))).map(({ label }) => label)
    expect(await labels('auto')).toEqual(['7', 'cat', undefined])
    expect(await labels('folder')).toEqual(['7', 'cat', 'dog'])
    expect(await labels('none')).toEqual([undefined, undefined, undefined])
  })

  it('takes ranges and patterns of archives, and names one that is not there', async () => {
    for (const shard of ['set-00.tar', 'set-01.tar']) await pack(shard, { 'x.jpg': shard })
    const keys = ['set-00.tar/x.jpg', 'set-01.tar/x.jpg']
    for (const pattern of ['set-{00..01}.tar', 'set-*.tar']) {
      expect((await itemsOf(await openSource(join(folder, pattern)))).map(({ key }) => key)).toEqual(keys)
    }
    await expect(itemsOf(await openSource(join(folder, 'set-{00..02}.tar')))).rejects.toMatchObject({
      code: 'SOURCE_MISSING',
      message: expect.stringContaining('set-02.tar') as string,
    })
    await writeFile(join(folder, 'x.tar.gz'), '')
    await expect(openSource(join(folder, 'x.tar.gz'))).rejects.toMatchObject({ code: 'SOURCE_KIND' })
  })

  it('names that would leave the folder are made safe; links are left out', async () => {
    const root = join(folder, 'hostile', 'in')
    await mkdir(root, { recursive: true })
    await writeFile(join(folder, 'hostile', 'up.jpg'), 'up')
    const tar = join(folder, 'hostile.tar')
    execFileSync('ln', ['-s', '../up.jpg', join(root, 'link.jpg')])
    execFileSync('tar', ['-cPf', tar, '--hard-dereference', '-C', root, '../up.jpg', 'link.jpg', join(folder, 'hostile', 'up.jpg')])
    const keys = (await itemsOf(await openSource(tar))).map(({ key }) => key)
    expect(keys).toEqual(['hostile.tar/_up/up.jpg', `hostile.tar/_root${join(folder, 'hostile', 'up.jpg')}`])
  })

  it('refuses what is cut off or damaged, with the byte, and images of a changed archive', async () => {
    const path = await pack('cut.tar', { 'a.jpg': 'a'.repeat(3000), 'b.jpg': 'b' })
    const source = await openSource(path)
    const [a] = await itemsOf(source)
    const whole = await readFile(path)
    await truncate(path, 2000)
    await expect(source.read(a!)).rejects.toMatchObject({ code: 'IMAGE_CHANGED' })
    await expect(itemsOf(source)).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringMatching(/cut\.tar at byte 0: "a\.jpg" ends at byte 3512.*truncated/) as string,
    })
    // Cut between two members: the end marker is missing.
    await writeFile(path, whole.subarray(0, 512 + 3072))
    await expect(itemsOf(source)).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('at byte 3584') as string,
    })
    whole[0] = (whole[0] ?? 0) ^ 1
    await writeFile(path, whole)
    await expect(itemsOf(source)).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('at byte 0') as string,
    })
  })
})
