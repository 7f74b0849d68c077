import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { leftOutText } from '@layermill/models'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { classFolders } from './folder.js'
import { LeftOut } from './left-out.js'
import { listImages } from './list-images.js'
import { openSource } from './open-source.js'
import type { SourceItem } from './source.js'

const png = Buffer.from('\x89PNG\r\n\x1a\n0000', 'latin1')
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-left-out-'))
})
afterEach(async () => rm(folder, { recursive: true, force: true }))

/** @param name its bytes, one for each character */
async function write(name: string, bytes: Uint8Array = Buffer.from(name, 'latin1')): Promise<void> {
  const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')])
  await mkdir(path.subarray(0, path.lastIndexOf('/')), { recursive: true })
  await writeFile(path, bytes)
}

async function listed(source: string, strict = false): Promise<{ items: SourceItem[]; leftOut: LeftOut; read: string[] }> {
  const opened = await openSource(source)
  const leftOut = new LeftOut()
  const items: SourceItem[] = []
  for await (const item of listImages(opened, { leftOut, strict })) items.push(item)
  const read = await Promise.all(items.map(async item => Buffer.from(await opened.read(item)).toString('latin1')))
  await opened.close()
  return { items, leftOut, read }
}

describe('names that are not UTF-8', () => {
  // As unzip leaves archives of Latin-1, GBK and Shift-JIS.
  const names = ['caf\xe9/1.jpg', '\xc3\xa8\xb9\xb7.jpg', 'dog/\x8c\xa2.jpg', 'dog/plain.jpg', 'dog/_raw%x.jpg', '\xfc\xff/\xfe/deep.png']

  it('are read, files and class folders alike', async () => {
    for (const name of names) await write(`set/${name}`)
    const { items, leftOut, read } = await listed(join(folder, 'set'))
    expect(new Set(read)).toEqual(new Set(names.map(name => `set/${name}`)))
    expect(items.map(({ key }) => key).toSorted()).toEqual(
      ['__raw%x.jpg', '_raw%%8C%A2.jpg', 'plain.jpg']
        .map(name => `dog/${name}`)
        .concat('_raw%caf%E9/1.jpg', '_raw%\u00e8%B9%B7.jpg', '_raw%%FC%FF/_raw%%FE/deep.png')
        .toSorted(),
    )
    expect(leftOut.table()).toEqual([])
  })

  it('name classes, and a listing goes on behind them', async () => {
    for (const name of ['\xb9\xb7/1.jpg', '\xb9\xb7/2.jpg', '\xc3\xa8/1.jpg', '\xb9\xa8/1.jpg']) await write(`set/${name}`)
    const source = await openSource(join(folder, 'set'))
    const all: SourceItem[] = []
    for await (const item of source.items()) all.push(item)
    expect(all.map(({ key, label }) => [key, label])).toEqual([
      ['_raw%%B9%A8/1.jpg', '_raw%%B9%A8'],
      ['_raw%%B9%B7/1.jpg', '_raw%%B9%B7'],
      ['_raw%%B9%B7/2.jpg', '_raw%%B9%B7'],
      ['\u00e8/1.jpg', '\u00e8'],
    ])
    for (const [i, { key }] of all.entries()) {
      const rest: string[] = []
      for await (const item of source.items({ after: key })) rest.push(item.key)
      expect(rest).toEqual(all.slice(i + 1).map(item => item.key))
    }
    expect((await classFolders(join(folder, 'set'))).toSorted()).toEqual(['_raw%%B9%A8', '_raw%%B9%B7', '\u00e8'])
  })
})

describe('what is left out', () => {
  it('is counted by reason, with examples', async () => {
    for (const name of ['a.jpg', 'b.jp2', 'c.jxl', 'd.jxl', 'notes.txt', '.hidden.jpg', '.trash/x.jpg', 'README', 'deep/e.tga'])
      await write(name)
    await symlink('nowhere', join(folder, 'gone'))
    await write('picture', png)
    const { items, leftOut } = await listed(folder)
    expect(items.map(({ key }) => key)).toEqual(['a.jpg', 'picture'])
    expect(leftOut.table().toSorted((x, y) => (x.reason < y.reason ? -1 : 1))).toEqual([
      { reason: '.jp2 (a picture format that is not read)', count: 1, examples: ['b.jp2'] },
      { reason: '.jxl (a picture format that is not read)', count: 2, examples: ['c.jxl', 'd.jxl'] },
      { reason: '.tga (a picture format that is not read)', count: 1, examples: ['deep/e.tga'] },
      { reason: '.txt', count: 1, examples: ['notes.txt'] },
      { reason: 'broken links', count: 1, examples: ['gone'] },
      { reason: 'hidden', count: 2, examples: expect.arrayContaining(['.hidden.jpg', '.trash']) as string[] },
      { reason: 'without extension, and not a picture', count: 1, examples: ['README'] },
    ])
    expect(leftOutText([{ reason: '.txt', count: 4, examples: ['a.txt', 'b.txt'] }])).toBe('4 .txt (a.txt, b.txt, ...)')
  })

  it('is an error where nothing may be, which names all of it', async () => {
    for (const name of ['a.jpg', 'b.jxl', 'z/notes.txt']) await write(name)
    await expect(listed(folder, true)).rejects.toMatchObject({
      code: 'SOURCE_LEFT_OUT',
      message: expect.stringMatching(/1 \.jxl .*\(b\.jxl\), 1 \.txt \(z\/notes\.txt\)/) as string,
    })
    await rm(join(folder, 'b.jxl'))
    await rm(join(folder, 'z'), { recursive: true })
    expect((await listed(folder, true)).items).toHaveLength(1)
  })

  it('does not hold what systems leave, nor what a pattern leaves', async () => {
    for (const name of [
      'cat/1.jpg',
      'dog/1.jpg',
      '@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg',
      '.DS_Store',
      'cat/Thumbs.db',
      '__MACOSX/cat/._1.jpg',
      '.thumbnails/x.jpg',
      'cat/._1.jpg',
    ])
      await write(name)
    const { items, leftOut } = await listed(folder, true)
    expect(items.map(({ key, label }) => [key, label])).toEqual([
      ['cat/1.jpg', 'cat'],
      ['dog/1.jpg', 'dog'],
    ])
    expect(leftOut.table()).toMatchObject([{ reason: 'files and folders of the system', count: 6, expected: true }])
    expect((await classFolders(folder)).toSorted()).toEqual(['cat', 'dog'])
    await write('cat/notes.txt')
    expect((await listed(join(folder, '*/*.jpg'), true)).items).toHaveLength(2)
  })

  it('is told where only archives are, with the pattern that takes them', async () => {
    await write('a.tar')
    await expect(listed(folder)).rejects.toMatchObject({ code: 'SOURCE_EMPTY', hint: expect.stringContaining(`/*.tar'`) as string })
  })
})

describe('folders whose names look like patterns', () => {
  it.each(['photos (1)', 'a[b]', '{a,b}', 'a?b', 'x!(y)', '!c', '**'])('%s is taken by its name', async name => {
    for (const other of ['a', 'b', 'ab', 'axb', 'photos 1', 'x', 'c']) await write(`${other}/0.jpg`)
    await mkdir(dirname(join(folder, name, 'x')), { recursive: true })
    await writeFile(join(folder, name, '1.jpg'), 'one')
    await writeFile(join(folder, name, '2.png'), 'two')
    expect((await listed(join(folder, name))).items.map(({ key }) => key)).toEqual(['1.jpg', '2.png'])
    expect((await listed(join(folder, name, '*.png'))).items.map(({ key }) => key)).toEqual(['2.png'])
    expect((await listed(join(folder, name, '1.jpg'))).items.map(({ key }) => key)).toEqual(['1.jpg'])
  })
})
