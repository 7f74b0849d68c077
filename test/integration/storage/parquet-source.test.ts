import { randomBytes } from 'node:crypto'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mulberry32 } from '@layermill/core'
import { type ImageSource, openSource, openStore, type SourceItem } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { type CompressionCodec, parquetMetadata } from 'hyparquet'
import { ByteWriter } from 'hyparquet-writer'
import { writeMetadata } from 'hyparquet-writer/src/metadata.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { testFolder } from '../../helpers/folders.js'
import { parquetOf, pictures, writePictures } from '../../helpers/parquet.js'
import { useS3Server } from './s3-server.js'

const folder = testFolder('parquet')
let root = ''
beforeAll(async () => {
  root = await folder()
})

async function itemsOf(source: ImageSource, after?: string): Promise<SourceItem[]> {
  const items: SourceItem[] = []
  for await (const item of source.items({ after })) items.push(item)
  return items
}

const contents = async (source: ImageSource, items: readonly SourceItem[]): Promise<string[]> =>
  Promise.all(items.map(async item => Buffer.from(await source.read(item)).toString('latin1')))

const rowsOf = (count: number, size = 50): { bytes: Buffer; path: string; label: number }[] => {
  const random = mulberry32(count)
  return Array.from({ length: count }, (_, i) => ({
    bytes: Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256))),
    path: `n${i}.jpg`,
    label: i % 3,
  }))
}

const textsOf = (rows: readonly { bytes: Buffer }[]): string[] => rows.map(({ bytes }) => bytes.toString('latin1'))

describe('parquet files of images', () => {
  it.each<[CompressionCodec, boolean]>([
    ['SNAPPY', false],
    ['ZSTD', false],
    ['GZIP', true],
    ['UNCOMPRESSED', true],
  ])('reads %s, with an index of pages %s', async (codec, offsetIndex) => {
    const path = join(root, `${codec}.parquet`)
    const rows = rowsOf(23)
    await writePictures(path, rows, { codec, offsetIndex, rowGroupSize: 10, pageSize: 200, classes: ['a', 'b', 'c'] })
    const source = await openSource(path)
    expect(source.kind).toBe('parquet')
    const items = await itemsOf(source)
    expect(items.map(({ key, label }) => `${key} ${label}`)).toEqual(
      rows.map(({ path: name, label }, i) => `${codec}.parquet/row-${i}/${name} ${'abc'[label]}`),
    )
    expect(await contents(source, items)).toEqual(textsOf(rows))
    expect(await contents(source, items.toReversed())).toEqual(textsOf(rows.toReversed()))
    const again = await openSource(path)
    expect(Buffer.from(await again.read({ key: items[17]!.key }))).toEqual(rows[17]!.bytes)
    for (const at of [0, 9, 10, 22]) expect(await itemsOf(source, items[at]!.key)).toEqual(items.slice(at + 1))
    await expect(again.read({ key: `${codec}.parquet/row-23` })).rejects.toMatchObject({ code: 'IMAGE_MISSING' })
  })

  it('knows the classes in their own order, where all files state the same', async () => {
    const of = async (...orders: (string[] | undefined)[]): Promise<readonly string[] | undefined> => {
      const name = `order-${orders.length}-${orders.map(order => order?.join('') ?? 'none').join('-')}`
      for (const [i, classes] of orders.entries())
        await writePictures(join(root, `${name}-${i}.parquet`), rowsOf(3), classes === undefined ? {} : { classes })
      const source = await openSource(join(root, `${name}-*.parquet`))
      expect(source.classes).toBeUndefined()
      await itemsOf(source)
      return source.classes
    }
    expect(await of(['zebra', 'ant', 'moth'])).toEqual(['zebra', 'ant', 'moth'])
    expect(await of(['z', 'a', 'm'], ['z', 'a', 'm'])).toEqual(['z', 'a', 'm'])
    expect(await of(['z', 'a', 'm'], ['a', 'm', 'z'])).toBeUndefined()
    expect(await of(['z', 'a', 'm'], undefined)).toBeUndefined()
  })

  it('says at once that a file holds no pictures, only where they were', async () => {
    const path = join(root, 'paths.parquet')
    await writePictures(
      path,
      rowsOf(5).map(row => ({ path: row.path, label: row.label })),
    )
    await expect(itemsOf(await openSource(path))).rejects.toMatchObject({
      code: 'SOURCE_KIND',
      message: expect.stringMatching(/none of its 5 rows holds an image/) as string,
    })
    await writePictures(
      path,
      rowsOf(5).map((row, i) => (i === 3 ? row : { path: row.path, label: row.label })),
    )
    expect(await itemsOf(await openSource(path))).toHaveLength(5)
  })

  it('gives the rows of one split, labels of whole numbers alike whether they are floats', async () => {
    const path = join(root, 'split.parquet')
    const columns = (label: Parameters<typeof parquetOf>[0][number]): Uint8Array =>
      parquetOf([
        { name: 'image', data: rowsOf(4).map(({ bytes }) => bytes), type: 'BYTE_ARRAY' },
        { name: 'image_path', data: ['a.png', 'b.png', 'c.png', 'd.png'], type: 'STRING' },
        label,
        { name: 'split', data: ['train', 'test', 'train', 'train'], type: 'STRING' },
      ])
    for (const label of [
      { name: 'Class', data: [0, 1, 1, 0], type: 'DOUBLE' },
      { name: 'cls', data: [0, 1, 1, 0], type: 'INT32' },
    ] as const) {
      await writeFile(path, columns({ ...label, data: [...label.data] }))
      const source = await openSource(path, { split: 'train' })
      const items = await itemsOf(source)
      expect(items.map(({ key, label: own }) => `${key} ${own}`)).toEqual([
        'split.parquet/row-0/a.png 0',
        'split.parquet/row-2/c.png 1',
        'split.parquet/row-3/d.png 0',
      ])
      expect(await itemsOf(source, items[0]!.key)).toEqual(items.slice(1))
    }
    await writePictures(path, rowsOf(2))
    await expect(itemsOf(await openSource(path, { split: 'train' }))).rejects.toMatchObject({
      code: 'SOURCE_KIND',
      message: expect.stringContaining('no column named split') as string,
    })
  })

  it('gives no label where a column of floats says that there is none', async () => {
    const path = join(root, 'unlabelled.parquet')
    await writeFile(
      path,
      parquetOf([
        { name: 'image', data: rowsOf(4).map(({ bytes }) => bytes), type: 'BYTE_ARRAY' },
        { name: 'label', data: [0, NaN, undefined, 10], type: 'DOUBLE' },
      ]),
    )
    expect((await itemsOf(await openSource(path))).map(({ label }) => label)).toEqual(['0', undefined, undefined, '10'])
  })

  it('takes the column by its name, or the only binary one, and names the columns where it cannot tell', async () => {
    const bytes = [Buffer.from('one'), Buffer.from('two')]
    const column = (name: string): Parameters<typeof parquetOf>[0][number] => ({ name, data: bytes, type: 'BYTE_ARRAY' })
    const text = (name: string): Parameters<typeof parquetOf>[0][number] => ({ name, data: ['x/a.png', 'y/b.png'], type: 'STRING' })
    const open = async (...columns: Parameters<typeof parquetOf>[0]): Promise<ImageSource> => {
      await writeFile(join(root, 'columns.parquet'), parquetOf(columns))
      return openSource(join(root, 'columns.parquet'), { labels: 'folder' })
    }
    for (const columns of [
      [column('whatever'), text('caption')],
      [column('mask'), column('JPG')],
      [column('img'), text('filename')],
    ]) {
      const source = await open(...columns)
      expect(await contents(source, await itemsOf(source))).toEqual(['one', 'two'])
    }
    const named = await open(column('img'), text('filename'))
    expect((await itemsOf(named)).map(({ key, label }) => [key, label])).toEqual([
      ['columns.parquet/row-0/x/a.png', 'x'],
      ['columns.parquet/row-1/y/b.png', 'y'],
    ])
    const labelled = await open(column('img'), text('filename'), { name: 'cls', data: ['p', 'q'], type: 'STRING' })
    expect((await itemsOf(labelled)).map(({ label }) => label)).toEqual(['p', 'q'])
    for (const columns of [[column('left'), column('right')], [text('caption')]]) {
      const names = columns.map(({ name }) => `${name} \\(\\w+\\)`).join(', ')
      await expect(itemsOf(await open(...columns))).rejects.toMatchObject({
        code: 'SOURCE_KIND',
        message: expect.stringMatching(`columns.parquet: .*its columns are ${names}`) as string,
      })
    }
  })

  it('makes names safe; rows without an image are missing, those around them not', async () => {
    const path = join(root, 'odd.parquet')
    const names = ['../../etc/x.jpg', '/abs.jpg', 'a//./b\0c.jpg', undefined, 'n'.repeat(9000)]
    await writePictures(
      path,
      [...names.map(name => ({ bytes: Buffer.from(String(name).slice(0, 9)), path: name })), { path: 'none.jpg', label: -1 }],
      { classes: ['a'] },
    )
    const source = await openSource(path)
    const items = await itemsOf(source)
    expect(items.map(({ key }) => key.slice('odd.parquet/'.length))).toEqual([
      'row-0/_up/_up/etc/x.jpg',
      'row-1/_root/abs.jpg',
      'row-2/a/b_c.jpg',
      'row-3',
      `row-4/${'n'.repeat(512)}`,
      'row-5/none.jpg',
    ])
    expect(items.map(({ label }) => label)).toEqual(Array(6).fill(undefined))
    expect(await contents(source, items.slice(0, 5))).toEqual(names.map(name => String(name).slice(0, 9)))
    await expect(source.read(items[5]!)).rejects.toMatchObject({ code: 'IMAGE_MISSING' })
    for (const key of ['odd.parquet/row-x', 'odd.parquet', 'other.parquet/row-0', 'odd.parquet/row-99999'])
      await expect(source.read({ key })).rejects.toMatchObject({ code: 'IMAGE_MISSING' })
  })

  it('refuses a changed file, one that is cut off, and a row group too large to decode', async () => {
    const path = join(root, 'moving.parquet')
    await writePictures(path, rowsOf(8))
    const source = await openSource(path)
    const [first, second] = await itemsOf(source)
    await source.read(first!)
    await writePictures(path, rowsOf(9))
    const late = await openSource(path)
    for (const item of [first!, second!]) await expect(late.read(item)).rejects.toMatchObject({ code: 'IMAGE_CHANGED' })
    await truncate(path, 300)
    await expect(itemsOf(await openSource(path))).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('moving.parquet') as string,
    })

    const whole = pictures(rowsOf(8), { rowGroupSize: 4 })
    const metadata = parquetMetadata(whole)
    metadata.row_groups[1]!.columns[0]!.meta_data!.total_uncompressed_size = 3n << 30n
    const writer = new ByteWriter()
    writeMetadata(writer, metadata)
    await writeFile(
      path,
      Buffer.concat([whole.subarray(0, whole.length - metadata.metadata_length - 8), writer.getBytes(), Buffer.from('PAR1')]),
    )
    await expect(itemsOf(await openSource(path))).rejects.toMatchObject({
      code: 'SOURCE_KIND',
      message: expect.stringMatching(/moving\.parquet, row group 1: 3072 MiB/) as string,
    })
  })

  it('answers damaged files with a code, wherever the damage is', async () => {
    const path = join(root, 'damaged.parquet')
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = mulberry32(seed)
    const wholes = (['SNAPPY', 'UNCOMPRESSED'] as const).map(codec => pictures(rowsOf(12), { rowGroupSize: 5, codec, offsetIndex: true }))
    const codes = new Map<string, number>()
    const count = (code: string): unknown => codes.set(code, (codes.get(code) ?? 0) + 1)
    for (let round = 0; round < 150; round++) {
      const bytes = Uint8Array.from(wholes[round % 2]!)
      for (let i = 0; i < 3; i++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      await writeFile(path, bytes)
      try {
        const source = await openSource(path)
        for (const item of (await itemsOf(source)).slice(0, 50)) {
          await source.read(item).then(
            () => count('read'),
            (error: unknown) => count((error as { code: string }).code),
          )
        }
      } catch (error) {
        count((error as { code?: string }).code ?? String(error))
      }
    }
    expect(
      ['read', 'ARCHIVE_INVALID', 'IMAGE_UNREADABLE', 'IMAGE_MISSING', 'SOURCE_KIND', 'SOURCE_EMPTY'],
      `seed ${seed}: ${JSON.stringify([...codes])}`,
    ).toEqual(expect.arrayContaining([...codes.keys()]))
    expect(codes.get('ARCHIVE_INVALID'), `seed ${seed}`).toBeGreaterThan(0)
  })
})

describe('lists and parquet files in a bucket', () => {
  it('reads ranges and patterns of files, and lists of s3:// keys in .jsonl', async () => {
    const { stop } = await useS3Server()
    const bucket = `parquet-${randomBytes(4).toString('hex')}`
    await createBucket(bucket)
    const store = openStore(`s3://${bucket}`)
    const sets = [rowsOf(4), rowsOf(3)]
    for (const [i, rows] of sets.entries()) await store.put(`sets/0${i}.parquet`, pictures(rows, { rowGroupSize: 2, offsetIndex: i === 1 }))
    for (const place of ['{00..01}.parquet', '*.parquet']) {
      const source = await openSource(`s3://${bucket}/sets/${place}`)
      const items = await itemsOf(source)
      expect(items.map(({ key, label }) => `${key} ${label}`)).toEqual(
        sets.flatMap((rows, i) => rows.map(({ label, path }, row) => `0${i}.parquet/row-${row}/${path} ${label}`)),
      )
      expect(await contents(source, items)).toEqual(textsOf(sets.flat()))
      await store.put('sets/00.parquet', pictures(rowsOf(5)))
      const late = await openSource(`s3://${bucket}/sets/${place}`)
      await expect(late.read(items[3]!)).rejects.toMatchObject({ code: 'IMAGE_CHANGED' })
      await store.put('sets/00.parquet', pictures(sets[0]!, { rowGroupSize: 2 }))
      for (const opened of [source, late]) await opened.close()
    }
    await expect(openSource(`s3://${bucket}/sets/02.parquet`)).rejects.toMatchObject({ code: 'SOURCE_MISSING' })

    const list = join(root, 'list.jsonl')
    await writeFile(list, `{"path":"s3://${bucket}/photos/b.jpg","label":"cat"}\n{"key":"s3://${bucket}/photos/gone.jpg"}\n`)
    await store.put('photos/b.jpg', 'bytes of b')
    await store.put('lists/l.jsonl', await readFile(list))
    for (const place of [list, `s3://${bucket}/lists/l.jsonl`]) {
      const source = await openSource(place)
      const [b, gone] = await itemsOf(source)
      expect([b?.label, gone?.etag]).toEqual(['cat', ''])
      expect(Buffer.from(await source.read(b!)).toString()).toBe('bytes of b')
      await expect(source.read(gone!)).rejects.toMatchObject({ code: 'IMAGE_MISSING' })
      await source.close()
    }
    await store.close()
    await stop()
  })
})
