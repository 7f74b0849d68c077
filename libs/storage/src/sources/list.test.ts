import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refuseDuplicates } from './duplicates.js'
import { keyOfEntry, type ListBase, placeOfKey } from './list-keys.js'
import { openSource } from './open-source.js'
import type { ImageSource, SourceItem } from './source.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-list-'))
  for (const name of ['lists/a.jpg', 'lists/sub/b.jpg', 'lists/sub/c.dat', 'other/d.jpg']) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), name)
  }
})
afterEach(async () => rm(folder, { recursive: true, force: true }))

async function list(name: string, text: string | Uint8Array): Promise<ImageSource> {
  await writeFile(join(folder, 'lists', name), text)
  return openSource(join(folder, 'lists', name))
}

async function itemsOf(source: ImageSource, after?: string): Promise<SourceItem[]> {
  const items: SourceItem[] = []
  for await (const item of source.items({ after })) items.push(item)
  return items
}

const brief = (items: SourceItem[]): string[] => items.map(item => (item.label === undefined ? item.key : `${item.key}=${item.label}`))

describe('list files', () => {
  it('keep the order of a txt, relative to the list, wherever images lie', async () => {
    const source = await list('list.txt', `\ufeffsub/b.jpg\r\n\r\n./a.jpg\nsub/c.dat\n../other/d.jpg\n${join(folder, 'other', 'd.jpg')}`)
    const items = await itemsOf(source)
    expect(brief(items)).toEqual(['sub/b.jpg', 'a.jpg', 'sub/c.dat', '_up/other/d.jpg', `_root${join(folder, 'other', 'd.jpg')}`])
    expect(await Promise.all(items.map(async item => Buffer.from(await source.read(item)).toString()))).toEqual([
      'lists/sub/b.jpg',
      'lists/a.jpg',
      'lists/sub/c.dat',
      'other/d.jpg',
      'other/d.jpg',
    ])
    expect(brief(await itemsOf(source, 'a.jpg'))).toEqual(['sub/c.dat', '_up/other/d.jpg', `_root${join(folder, 'other', 'd.jpg')}`])
    await expect(itemsOf(source, 'gone.jpg')).rejects.toMatchObject({ code: 'SOURCE_CHANGED' })
  })

  it('read a csv with its columns in any place, and labels', async () => {
    const source = await list('list.csv', 'id,Label,File\n1,"cat, striped",a.jpg\n2,,sub/b.jpg\n\n3,dog,"sub/c.dat"\n')
    expect(brief(await itemsOf(source))).toEqual(['a.jpg=cat, striped', 'sub/b.jpg', 'sub/c.dat=dog'])
  })

  it('read jsonl, with numbers as labels too', async () => {
    const source = await list(
      'list.jsonl',
      '{"path":"a.jpg","label":"cat"}\n{"key":"sub/b.jpg","label":7}\n\n{"image":"sub/c.dat","label":null}\n',
    )
    expect(brief(await itemsOf(source))).toEqual(['a.jpg=cat', 'sub/b.jpg=7', 'sub/c.dat'])
  })

  it.each([
    ['caffe.txt', 'a.jpg 0\nsub/my b 2.jpg 12\n\nsub/c.dat\t-1\n', ['a.jpg=0', 'sub/my b 2.jpg=12', 'sub/c.dat=-1']],
    // Not all lines have a label, so none has.
    ['paths.txt', 'IMG 12\na.jpg\nphoto 1\n', ['IMG 12', 'a.jpg', 'photo 1']],
    ['list.tsv', 'file_name\tclass\na.jpg\tcat, tabby\nsub/b.jpg\t\n', ['a.jpg=cat, tabby', 'sub/b.jpg']],
    ['semicolon.csv', 'Filename;Cls;Note\na.jpg;cat;x, y\n"sub/b.jpg";"a;b";\n', ['a.jpg=cat', 'sub/b.jpg=a;b']],
    ['tabs.csv', 'image_path\tlabel\na.jpg\tx;y\n', ['a.jpg=x;y']],
    ['one.csv', '\ufeffimage\r\n"a.jpg"\r\n', ['a.jpg']],
    [
      'meta.jsonl',
      '{"file_name":"a.jpg","class":"cat"}\n{"image_path":"sub/b.jpg","cls":3}\n{"Filename":"sub/c.dat","Label":true}\n',
      ['a.jpg=cat', 'sub/b.jpg=3', 'sub/c.dat=true'],
    ],
    [
      'windows.csv',
      'path,label\nsub\\b.jpg,cat\n.\\a.jpg,dog\n..\\other\\d.jpg,cow\n',
      ['sub/b.jpg=cat', 'a.jpg=dog', '_up/other/d.jpg=cow'],
    ],
    // A column of pandas that holds 0 and 0.0, as numbers are written where some rows have none.
    [
      'pandas.csv',
      'path,label\na.jpg,0\nsub/b.jpg,0.0\nsub/c.dat,\n../other/d.jpg,10.0\n',
      ['a.jpg=0', 'sub/b.jpg=0', 'sub/c.dat', '_up/other/d.jpg=10'],
    ],
    ['pandas.jsonl', '{"path":"a.jpg","label":0.0}\n{"path":"sub/b.jpg","label":"0.0"}\n', ['a.jpg=0', 'sub/b.jpg=0']],
    ['versions.csv', 'path,label\na.jpg,1.0\nsub/b.jpg,1.5\n', ['a.jpg=1.0', 'sub/b.jpg=1.5']],
  ])('%s is read as it is meant', async (name, text, expected) => {
    expect(brief(await itemsOf(await list(name, text)))).toEqual(expected)
  })

  it('give the rows of one split', async () => {
    await list('split.csv', 'path,label,split\na.jpg,cat,train\nsub/b.jpg,dog,test\nsub/c.dat,dog,train\n')
    const of = async (split: string): Promise<string[]> =>
      brief(await itemsOf(await openSource(join(folder, 'lists', 'split.csv'), { split })))
    expect(await of('train')).toEqual(['a.jpg=cat', 'sub/c.dat=dog'])
    expect(await of('test')).toEqual(['sub/b.jpg=dog'])
    await expect(of('val')).rejects.toMatchObject({
      code: 'SOURCE_EMPTY',
      message: expect.stringContaining('its splits are train, test') as string,
    })
    const source = await openSource(join(folder, 'lists', 'split.csv'), { split: 'train' })
    expect(brief(await itemsOf(source, 'a.jpg'))).toEqual(['sub/c.dat=dog'])
    await list('none.jsonl', '{"path":"a.jpg"}')
    await expect(itemsOf(await openSource(join(folder, 'lists', 'none.jsonl'), { split: 'train' }))).rejects.toThrow(
      /it has no split column/,
    )
    await expect(openSource(join(folder, 'lists'), { split: 'train' })).rejects.toMatchObject({ code: 'SOURCE_KIND' })
  })

  it('obey the label rule', async () => {
    await list('list.csv', 'path,label\nsub/b.jpg,cat\n')
    const path = join(folder, 'lists', 'list.csv')
    expect(brief(await itemsOf(await openSource(path, { labels: 'folder' })))).toEqual(['sub/b.jpg=sub'])
    expect(brief(await itemsOf(await openSource(path, { labels: 'none' })))).toEqual(['sub/b.jpg'])
  })

  it('list what is not there, which then fails alone when it is read', async () => {
    const source = await list('list.txt', 'gone.jpg\na.jpg\n')
    const [gone, there] = await itemsOf(source)
    expect(gone).toEqual({ key: 'gone.jpg', etag: '', bytes: 0, label: undefined })
    if (gone === undefined || there === undefined) throw new Error('two images expected')
    await expect(source.read(gone)).rejects.toMatchObject({ code: 'IMAGE_MISSING' })
    expect((await source.read(there)).byteLength).toBe(11)
  })

  it.each([
    ['list.csv', 'name,label\na.jpg,x\n', /list\.csv:1: no column named path, file, key, image in the header \(found: name, label\)/],
    ['list.csv', 'path,label\na.jpg,x\nb.jpg\n', /list\.csv:3: /],
    ['list.csv', 'path,label\n,x\n', /list\.csv:2: the path is empty/],
    ['list.csv', 'path\n"a.jpg\n', /list\.csv:\d+: /],
    ['list.jsonl', '{"path":"a.jpg"}\n{"path":7}\n', /list\.jsonl:2: expected a string/],
    ['list.jsonl', '{"path":"a.jpg"}\nnot json\n', /list\.jsonl:2: not JSON/],
    ['list.jsonl', '{"path":"a.jpg","label":{}}\n', /list\.jsonl:1: label is neither/],
    ['list.txt', 'a.jpg\nhttp://example.org/b.jpg\n', /list\.txt:2: http:\/\/ cannot be read/],
    ['list.txt', 'a.jpg 0 1\nsub/b.jpg 1 0\n', /list\.txt:1: more than one label/],
    ['list.txt', 'C:\\photos\\a.jpg\n', /list\.txt:1: a path on the drive C:/],
    ['list.txt', Uint8Array.of(0x61, 0x0a, 0xff, 0xfe, 0x0a), /list\.txt: not UTF-8 text near line/],
  ])('refuse a faulty %s by its line: %j', async (name, text, message) => {
    const source = await list(name, text)
    await expect(itemsOf(source)).rejects.toMatchObject({ code: 'LIST_INVALID', message: expect.stringMatching(message) as string })
  })

  it('refuse an empty list, and one that names an image twice, however it is spelt', async () => {
    await expect(itemsOf(await list('list.txt', '\n\n'))).rejects.toMatchObject({ code: 'SOURCE_EMPTY' })
    const source = await list('list.txt', 'a.jpg\nsub/b.jpg\n./sub/../a.jpg\n')
    await expect(itemsOf(source)).rejects.toMatchObject({
      code: 'LIST_DUPLICATE',
      message: expect.stringContaining('"a.jpg" (lines 1 and 3)') as string,
    })
  })
})

describe('keys of list entries', () => {
  const local: ListBase = { kind: 'local', folder: '/data/lists' }
  const remote: ListBase = { kind: 's3', bucket: 'b', prefix: 'lists/' }

  it.each([
    ['x/y.jpg', local, 'x/y.jpg', { kind: 'local', path: '/data/lists/x/y.jpg' }],
    ['./x//y.jpg', local, 'x/y.jpg', { kind: 'local', path: '/data/lists/x/y.jpg' }],
    ['/data/lists/x.jpg', local, 'x.jpg', { kind: 'local', path: '/data/lists/x.jpg' }],
    ['../../x.jpg', local, '_up/_up/x.jpg', { kind: 'local', path: '/x.jpg' }],
    ['/etc/x.jpg', local, '_root/etc/x.jpg', { kind: 'local', path: '/etc/x.jpg' }],
    ['file:///etc/a%20b.jpg', local, '_root/etc/a b.jpg', { kind: 'local', path: '/etc/a b.jpg' }],
    ['_up/x.jpg', local, '__up/x.jpg', { kind: 'local', path: '/data/lists/_up/x.jpg' }],
    ['__up/x.jpg', local, '___up/x.jpg', { kind: 'local', path: '/data/lists/__up/x.jpg' }],
    ['../_root/x.jpg', local, '_up/__root/x.jpg', { kind: 'local', path: '/data/_root/x.jpg' }],
    ['s3://other/x/y.jpg', local, '_s3/other/x/y.jpg', { kind: 's3', bucket: 'other', key: 'x/y.jpg' }],
    ['x/y.jpg', remote, 'x/y.jpg', { kind: 's3', bucket: 'b', key: 'lists/x/y.jpg' }],
    ['_s3/y.jpg', remote, '__s3/y.jpg', { kind: 's3', bucket: 'b', key: 'lists/_s3/y.jpg' }],
    ['s3://b/y.jpg', remote, '_s3/b/y.jpg', { kind: 's3', bucket: 'b', key: 'y.jpg' }],
  ] as const)('%s in %o', (entry, base, key, place) => {
    expect(keyOfEntry(entry, base)).toBe(key)
    expect(placeOfKey(key, base)).toEqual(place)
  })

  it.each([
    ['../x.jpg', remote],
    ['/x.jpg', remote],
    ['.', local],
    ['s3://b/a//x.jpg', local],
    ['s3://b/../x.jpg', local],
    ['S3://b/a/../x.jpg', remote],
    ['s3://b/..', remote],
    ['a/../x.jpg', remote],
    ['a\\..\\x.jpg', remote],
  ] as const)('refuses %s in %o', (entry, base) => {
    expect(() => keyOfEntry(entry, base)).toThrow(/./)
  })
})

describe('refuseDuplicates', () => {
  const lines = (count: number, repeat: (index: number) => number) =>
    async function* (): AsyncGenerator<{ key: string; line: number }> {
      for (let index = 0; index < count; index++) yield { key: `folder/${repeat(index)}.jpg`, line: index + 1 }
    }

  it('lets a large list without repetitions pass, even through a filter that is far too small', async () => {
    await expect(
      refuseDuplicates(
        lines(300_000, index => index),
        300_000 * 17,
        'list',
      ),
    ).resolves.toBeUndefined()
    await expect(
      refuseDuplicates(
        lines(300_000, index => index),
        1,
        'list',
      ),
    ).resolves.toBeUndefined()
  })

  it('finds the one repetition among many, at the ends of the list', async () => {
    const read = lines(200_000, index => (index === 199_999 ? 0 : index))
    await expect(refuseDuplicates(read, 200_000 * 17, 'list')).rejects.toMatchObject({
      message: expect.stringContaining('(lines 1 and 200000)') as string,
    })
  })

  it('counts those it does not name', async () => {
    const read = lines(1000, index => index % 500)
    await expect(refuseDuplicates(read, 1000, 'list')).rejects.toMatchObject({
      code: 'LIST_DUPLICATE',
      message: expect.stringContaining('and 495 more') as string,
    })
  })
})
