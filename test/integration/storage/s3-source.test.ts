import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ImageSource, LeftOut, listImages, openSource, openStore, type SourceItem, type Store } from '@layermill/storage'
import { createBucket, putObject } from '@layermill/storage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useS3Server } from './s3-server.js'

const bucket = `layermill-${randomBytes(6).toString('hex')}`
let stop = async (): Promise<void> => {}
let store: Store

const images = ['a+b c.jpg', 'a/1.png', 'a/b/2.JPG', 'a0.webp', 'ü.gif', '\u{1f600}.bmp']

beforeAll(async () => {
  ;({ stop } = await useS3Server())
  await createBucket(bucket)
  store = openStore(`s3://${bucket}`)
  for (const key of images) await store.put(`photos/${key}`, `bytes of ${key}`)
  for (const key of ['notes.txt', '.hidden.jpg', '.dir/x.jpg']) await store.put(`photos/${key}`, 'no image')
  await store.put('pets/cat/1.jpg', 'cat')
  await store.put('pets/dog/1.jpg', 'dog')
  await store.put('photos-of-another/x.jpg', 'x')
})
afterAll(async () => {
  await store.close()
  await stop()
})

async function itemsOf(source: ImageSource, after?: string): Promise<SourceItem[]> {
  const items: SourceItem[] = []
  for await (const item of source.items({ after })) items.push(item)
  return items
}

const brief = (items: SourceItem[]): string[] => items.map(item => (item.label === undefined ? item.key : `${item.key}=${item.label}`))
const inOrder = [...images].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

describe('an S3 source', () => {
  it.each(['photos', 'photos/'])('lists the images below %s, and reads the version listed', async prefix => {
    const source = await openSource(`s3://${bucket}/${prefix}`)
    const items = await itemsOf(source)
    expect(source).toMatchObject({ kind: 's3', url: `s3://${bucket}/photos/` })
    expect(brief(items)).toEqual(inOrder)
    for (const item of items) expect(Buffer.from(await source.read(item)).toString()).toBe(`bytes of ${item.key}`)
    expect(brief(await itemsOf(source, inOrder[2]))).toEqual(inOrder.slice(3))
    await source.close()
  })

  it('takes folders as labels, patterns, single images and whole buckets', async () => {
    expect(brief(await itemsOf(await openSource(`s3://${bucket}/pets/`)))).toEqual(['cat/1.jpg=cat', 'dog/1.jpg=dog'])
    expect(brief(await itemsOf(await openSource(`s3://${bucket}/photos/a/**/*.{JPG,png}`, { labels: 'none' })))).toEqual([
      '1.png',
      'b/2.JPG',
    ])
    expect(brief(await itemsOf(await openSource(`s3://${bucket}/pets/cat/1.jpg`)))).toEqual(['1.jpg'])
    expect(await itemsOf(await openSource(`s3://${bucket}`, { labels: 'none' }))).toHaveLength(images.length + 3)
  })

  it('takes any key there is, also such as no path can be', async () => {
    const keys = [
      'any//a.jpg',
      'any/./b.jpg',
      'any/../c.jpg',
      'any/x/../../d.jpg',
      'any//e.jpg/f.jpg',
      'any/_raw%g.jpg',
      'any/50%25 h+i.jpg',
      'any/j',
    ]
    for (const key of keys) await putObject(bucket, key, key === 'any/j' ? '\x89PNG\r\n\x1a\n' : `bytes of ${key}`)
    await putObject(bucket, 'any/README', 'This is no picture')
    await putObject(bucket, 'any/k.jp2', 'a format that is not read')
    const source = await openSource(`s3://${bucket}/any/`, { labels: 'none' })
    const leftOut = new LeftOut()
    const items: SourceItem[] = []
    for await (const item of listImages(source, { leftOut })) items.push(item)
    expect(brief(items).toSorted()).toEqual([
      '50%25 h+i.jpg',
      '__raw%g.jpg',
      '_raw%%2E%2E/c.jpg',
      '_raw%%2E/b.jpg',
      '_raw%/a.jpg',
      '_raw%/e.jpg/f.jpg',
      'j',
      'x/_raw%%2E%2E/_raw%%2E%2E/d.jpg',
    ])
    const read = await Promise.all(items.map(async item => Buffer.from(await source.read(item)).toString('latin1')))
    expect(new Set(read)).toEqual(new Set(keys.map(key => (key === 'any/j' ? '\x89PNG\r\n\x1a\n' : `bytes of ${key}`))))
    expect(new Map(leftOut.table().map(({ reason, examples }) => [reason, examples]))).toEqual(
      new Map([
        ['without extension, and not a picture', ['README']],
        ['.jp2 (a picture format that is not read)', ['k.jp2']],
      ]),
    )
    for (const [i, item] of items.entries()) expect(brief(await itemsOf(source, item.key)), item.key).toEqual(brief(items).slice(i + 1))
    await expect(openSource(`s3://${bucket}/any/../photos/`)).rejects.toMatchObject({ code: 'STORE_URL' })
  })

  it.each(['photos (1)', 'a[b]', '{a,b}', 'a?b', 'x!(y)', '!c', '**'])('takes a folder named %s by its name', async name => {
    for (const other of ['a', 'b', 'ab', 'axb', 'photos 1', 'x', 'c']) await store.put(`odd/${other}/0.jpg`, '0')
    await store.put(`odd/${name}/1.jpg`, '1')
    await store.put(`odd/${name}/2.png`, '2')
    const keys = async (place: string): Promise<string[]> => brief(await itemsOf(await openSource(`s3://${bucket}/odd/${place}`)))
    expect(await keys(`${name}/`)).toEqual(['1.jpg', '2.png'])
    expect(await keys(name)).toEqual(['1.jpg', '2.png'])
    expect(await keys(`${name}/*.png`)).toEqual(['2.png'])
    expect(await keys(`${name}/1.jpg`)).toEqual(['1.jpg'])
  })

  it('tells missing and changed images apart, and names what is not there', async () => {
    await store.put('moving/a.jpg', 'a')
    await store.put('moving/b.jpg', 'b')
    const source = await openSource(`s3://${bucket}/moving`)
    const [a, b] = await itemsOf(source)
    if (a === undefined || b === undefined) throw new Error('two images expected')
    await store.put('moving/a.jpg', 'other')
    await store.delete('moving/b.jpg')
    await expect(source.read(a)).rejects.toMatchObject({ code: 'IMAGE_CHANGED' })
    await expect(source.read(b)).rejects.toMatchObject({ code: 'IMAGE_MISSING' })
    expect((await source.read({ key: 'a.jpg' })).byteLength).toBe(5)
    await expect(itemsOf(await openSource(`s3://${bucket}/nowhere/`))).rejects.toMatchObject({ code: 'SOURCE_EMPTY' })
    await expect(openSource(`s3://${bucket}/nowhere.jpg`)).rejects.toMatchObject({ code: 'SOURCE_MISSING' })
    await expect(itemsOf(await openSource('s3://layermill-no-such-bucket/'))).rejects.toMatchObject({ code: 'SOURCE_MISSING' })
  })

  it('lists many folders at once in the order of one listing, and goes on after any key', async () => {
    const keys = Array.from({ length: 12 }, (_, folder) =>
      Array.from({ length: 30 }, (__, image) => `many/c${folder}/${image % 3}/${image}.jpg`),
    ).flat()
    keys.push('many/c1.jpg', 'many/c1-x.jpg', 'many/a.jpg', 'many/z.jpg', 'many/c10/\uff5e.jpg', 'many/c10/\u{1f600}.jpg')
    for (let start = 0; start < keys.length; start += 32) await Promise.all(keys.slice(start, start + 32).map(key => store.put(key, 'x')))
    const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map(key => key.slice('many/'.length))
    const source = await openSource(`s3://${bucket}/many`)
    expect(brief(await itemsOf(source))).toEqual(sorted)
    for (const at of [0, 1, 29, 200, sorted.length - 2, sorted.length - 1]) {
      expect(brief(await itemsOf(source, sorted[at])), `after ${sorted[at]}`).toEqual(sorted.slice(at + 1))
    }
    for await (const item of source.items()) {
      expect(item.key).toBe('a.jpg')
      break
    }
    await source.close()
  })

  it('reads list files in a bucket, and local lists of objects', async () => {
    await store.put('photos/list.csv', `path,label\na/1.png,one\ns3://${bucket}/pets/cat/1.jpg,cat\nnot-there.jpg,\n`)
    const source = await openSource(`s3://${bucket}/photos/list.csv`)
    const items = await itemsOf(source)
    expect(brief(items)).toEqual(['a/1.png=one', `_s3/${bucket}/pets/cat/1.jpg=cat`, 'not-there.jpg'])
    expect(items[2]?.etag).toBe('')
    expect(Buffer.from(await source.read(items[1] ?? { key: '' })).toString()).toBe('cat')
    await expect(source.read(items[2] ?? { key: '' })).rejects.toMatchObject({ code: 'IMAGE_MISSING' })
    await source.close()
    const folder = await mkdtemp(join(tmpdir(), 'layermill-s3-list-'))
    await writeFile(join(folder, 'keys.txt'), `s3://${bucket}/pets/dog/1.jpg\n`)
    const local = await openSource(join(folder, 'keys.txt'))
    const [dog] = await itemsOf(local)
    expect(Buffer.from(await local.read(dog ?? { key: '' })).toString()).toBe('dog')
    await local.close()
    await rm(folder, { recursive: true })
  })
})
