import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSource } from './open-source.js'
import type { ImageSource, SourceItem } from './source.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-source-'))
})
afterEach(async () => rm(folder, { recursive: true, force: true }))

async function write(...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), `bytes of ${name}`)
  }
}

async function itemsOf(source: ImageSource, after?: string): Promise<SourceItem[]> {
  const items: SourceItem[] = []
  for await (const item of source.items({ after })) items.push(item)
  return items
}

const keysOf = async (source: ImageSource, after?: string): Promise<string[]> => (await itemsOf(source, after)).map(item => item.key)
const byUtf8 = (keys: readonly string[]): string[] => [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

describe('a folder', () => {
  it('gives all images below it, in the order of their UTF-8 bytes, and their bytes', async () => {
    const images = ['a.jpg', 'a/b.JPEG', 'a/c/d.png', 'a-b.webp', 'a0.tif', 'z.heic', 'ü/ö.bmp', '\uff5e.gif', '\u{1f600}.avif', 'B.jpg']
    await write(...images, 'notes.txt', '.hidden.jpg', '.git/x.jpg', 'a/.DS_Store', 'README')
    const source = await openSource(folder)
    expect(source).toMatchObject({ kind: 'folder', url: pathToFileURL(folder).href })
    const items = await itemsOf(source)
    expect(items.map(item => item.key)).toEqual(byUtf8(images))
    for (const item of items) {
      expect(Buffer.from(await source.read(item)).toString()).toBe(`bytes of ${item.key}`)
      expect(item).toMatchObject({ bytes: Buffer.byteLength(`bytes of ${item.key}`), label: undefined })
    }
    expect(await itemsOf(await openSource(source.url))).toEqual(items)
  })

  it('goes on behind any key, there or not', async () => {
    await write('a.jpg', 'b/1.jpg', 'b/2.jpg', 'b/3/4.jpg', 'c.jpg')
    const source = await openSource(folder)
    expect(await keysOf(source, 'b/1.jpg')).toEqual(['b/2.jpg', 'b/3/4.jpg', 'c.jpg'])
    expect(await keysOf(source, 'b/2')).toEqual(['b/2.jpg', 'b/3/4.jpg', 'c.jpg'])
    expect(await keysOf(source, 'c.jpg')).toEqual([])
  })

  it('names images by their first folder where none lies in the root, or as told', async () => {
    await write('cat/1.jpg', 'dog/x/2.jpg', 'notes.txt')
    const labels = async (rule?: 'folder' | 'none' | 'auto'): Promise<(string | undefined)[]> =>
      (await itemsOf(await openSource(folder, { labels: rule }))).map(item => item.label)
    expect(await labels()).toEqual(['cat', 'dog'])
    expect(await labels('none')).toEqual([undefined, undefined])
    await write('root.jpg')
    expect(await labels()).toEqual([undefined, undefined, undefined])
    expect(await labels('folder')).toEqual(['cat', 'dog', undefined])
  })

  it('follows links, and ends where they lead in a circle', async () => {
    await write('real/1.jpg', 'photos/own.jpg')
    await symlink(join(folder, 'real'), join(folder, 'photos', 'linked'))
    await symlink(join(folder, 'real', '1.jpg'), join(folder, 'photos', 'one.jpg'))
    await symlink(join(folder, 'photos'), join(folder, 'real', 'back'))
    await symlink('nowhere.jpg', join(folder, 'photos', 'broken.jpg'))
    const source = await openSource(join(folder, 'photos'))
    const items = await itemsOf(source)
    expect(items.map(item => item.key)).toEqual(['broken.jpg', 'linked/1.jpg', 'one.jpg', 'own.jpg'])
    // A link to nowhere is an image that is missing, and fails alone.
    expect(items[0]).toMatchObject({ etag: '', bytes: 0 })
    await expect(source.read(items[0]!)).rejects.toMatchObject({ code: 'IMAGE_MISSING' })
  })

  it('says what it left out where there is no image', async () => {
    await write('a.txt', 'b.txt', 'c.pdf', '.d.jpg')
    const source = await openSource(folder)
    await expect(keysOf(source)).rejects.toMatchObject({
      code: 'SOURCE_EMPTY',
      message: expect.stringMatching(/skipped 2 \.txt, 1 \.pdf, 1 hidden|skipped 2 \.txt.*hidden/) as string,
    })
    await expect(source.read({ key: '../secret' })).rejects.toMatchObject({ code: 'KEY_INVALID' })
  })
})

describe('a glob', () => {
  it('gives what matches, with keys from where the pattern starts', async () => {
    await write('p/a/1.jpg', 'p/a/2.png', 'p/b/1.jpg', 'p/b/deep/3.jpg', 'p/0.jpg', 'p/b/.h.jpg', 'p/b/n.txt')
    const keys = async (pattern: string): Promise<string[]> => keysOf(await openSource(join(folder, pattern)))
    expect(await keys('p/*/*.jpg')).toEqual(['a/1.jpg', 'b/1.jpg'])
    expect(await keys('p/**/*.jpg')).toEqual(['0.jpg', 'a/1.jpg', 'b/1.jpg', 'b/deep/3.jpg'])
    expect(await keys('p/{a,b}/*.{jpg,png}')).toEqual(['a/1.jpg', 'a/2.png', 'b/1.jpg'])
    expect(await keys('p/**')).toEqual(['0.jpg', 'a/1.jpg', 'a/2.png', 'b/1.jpg', 'b/deep/3.jpg'])
    await expect(keys('p/*.gif')).rejects.toMatchObject({
      code: 'SOURCE_EMPTY',
      message: expect.stringContaining('1 images that the pattern does not match') as string,
    })
    await expect(keys('q/*.jpg')).rejects.toMatchObject({ code: 'SOURCE_MISSING' })
  })

  it('is taken for a name where a folder or file has that name', async () => {
    await write('set [1]/a.jpg', 'odd[2].jpg')
    expect(await keysOf(await openSource(join(folder, 'set [1]')))).toEqual(['a.jpg'])
    expect(await keysOf(await openSource(join(folder, 'odd[2].jpg')))).toEqual(['odd[2].jpg'])
  })
})

describe('one image', () => {
  it('has its name as key', async () => {
    await write('x/photo.JPG')
    const source = await openSource(join(folder, 'x', 'photo.JPG'))
    const [item] = await itemsOf(source)
    expect(source.kind).toBe('image')
    expect(item?.key).toBe('photo.JPG')
    expect(Buffer.from(await source.read({ key: 'photo.JPG', etag: item?.etag })).toString()).toBe('bytes of x/photo.JPG')
    expect(await itemsOf(source, 'photo.JPG')).toEqual([])
  })
})

describe('reading', () => {
  it('tells missing, changed and unreadable images apart', async () => {
    await write('a.jpg', 'b.jpg', 'dir.jpg/c.jpg')
    const source = await openSource(folder)
    const [a, b] = await itemsOf(source)
    if (a === undefined || b === undefined) throw new Error('two images expected')
    await rm(join(folder, 'a.jpg'))
    await expect(source.read(a)).rejects.toMatchObject({ code: 'IMAGE_MISSING' })
    await utimes(join(folder, 'b.jpg'), 1, 1)
    await expect(source.read(b)).rejects.toMatchObject({ code: 'IMAGE_CHANGED' })
    expect((await source.read({ key: 'b.jpg' })).byteLength).toBe(b.bytes)
    await expect(source.read({ key: 'dir.jpg' })).rejects.toMatchObject({ code: 'IMAGE_UNREADABLE' })
  })
})

describe('what cannot be a source', () => {
  it.each([
    ['nowhere', 'SOURCE_MISSING'],
    ['', 'SOURCE_MISSING'],
    ['video.mp4', 'SOURCE_KIND'],
    ['noextension', 'SOURCE_KIND'],
    ['http://example.org/x.jpg', 'SOURCE_KIND'],
    ['s3://user:secret@bucket/x', 'STORE_URL'],
  ])('%j is %s', async (name, code) => {
    await write('video.mp4', 'noextension')
    const source = name === '' || name.includes('://') ? name : join(folder, name)
    await expect(openSource(source)).rejects.toMatchObject({ code, message: expect.not.stringContaining('secret') as string })
  })

  it('says so where a folder may not be read', async () => {
    await write('closed/a.jpg')
    await chmod(join(folder, 'closed'), 0)
    const source = await openSource(folder)
    // Root may read everything, so for it there is nothing to refuse.
    if (process.getuid?.() === 0) expect(await keysOf(source)).toEqual(['closed/a.jpg'])
    else await expect(keysOf(source)).rejects.toMatchObject({ code: 'SOURCE_DENIED' })
    await chmod(join(folder, 'closed'), 0o700)
  })
})
