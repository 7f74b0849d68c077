import { describe, expect, it } from 'vitest'
import { committedFile, countsOf, encodeCommit, parseCommit } from './commit.js'
import { encodeIndex, type IndexRow, parseIndex } from './index-rows.js'
import { encodeErrors, encodeManifest, parseErrors, parseManifest } from './rows.js'

const awkward = 'ü/"quoted"\n\u2028\\,\u{1f600}.jpg'

describe('manifests and errors', () => {
  it('come back as they were written', () => {
    const rows = [
      { key: 'a.jpg', etag: '1-2', bytes: 3 },
      { key: awkward, etag: '', bytes: 0, label: 'x' },
    ]
    expect(encodeManifest(rows)).toContain('{"key":"a.jpg","etag":"1-2","bytes":3}\n')
    expect(parseManifest(encodeManifest(rows), 'm')).toEqual(rows)
    expect(parseManifest(Buffer.from(encodeManifest(rows)), 'm')).toEqual(rows)
    expect(parseManifest('', 'm')).toEqual([])
    const errors = [{ key: awkward, code: 'IMAGE_MISSING', reason: 'gone' }]
    expect(parseErrors(encodeErrors(errors), 'e')).toEqual(errors)
  })

  it('write the same bytes whatever else is on the rows and in whichever order', () => {
    const plain = encodeManifest([{ key: 'a', etag: 'e', bytes: 1, label: 'l' }])
    const mixed = { label: 'l', bytes: 1, extra: true, etag: 'e', key: 'a' }
    expect(encodeManifest([mixed])).toBe(plain)
  })

  it.each([
    ['{"key":"a","etag":"e","bytes":1}\n{"key":7,"etag":"e","bytes":1}\n', /m:2: expected key to be a string/],
    ['{"key":"a","etag":"e","bytes":-1}\n', /m:1: expected bytes to be a whole number/],
    ['{"key":"a","etag":"e","bytes":1,"label":1}\n', /m:1: expected label to be a string/],
    ['{"key":"a","etag":"e","bytes":1}\n{"key":"b","et', /m:2: the last line is cut off/],
    ['{"key":"a"\n', /m:1: not JSON/],
    ['[]\n', /m:1: expected an object/],
  ])('refuse %j', (text, message) => {
    expect(() => parseManifest(text, 'm')).toThrow(
      expect.objectContaining({ code: 'RECORD_INVALID', message: expect.stringMatching(message) as string }) as Error,
    )
  })
})

describe('commit records', () => {
  const files = [
    committedFile('index/part-00001.parquet', Buffer.from('b')),
    committedFile('features/fc7/part-00001.npy', Buffer.from('a')),
  ]

  it('do not depend on the order the files were written in', () => {
    const text = encodeCommit({ part: 1, images: 2, failed: 0, files })
    expect(encodeCommit({ part: 1, images: 2, failed: 0, files: files.toReversed() })).toBe(text)
    const parsed = parseCommit(text, 'c')
    expect(parsed.files.map(file => file.path)).toEqual(['features/fc7/part-00001.npy', 'index/part-00001.parquet'])
    expect(parsed.files[0]?.sha256).toBe('ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb')
    expect(parseCommit(Buffer.from(text), 'c')).toEqual(parsed)
  })

  it('say what kind of machine computed them; older ones do not', () => {
    const computedBy = { cpu: 'x64-fma.0a1b2c3d', device: 'cpu', version: 'onnxruntime 1.23', engine: 'onnx' }
    const text = encodeCommit({ part: 1, images: 2, failed: 0, files, computedBy })
    expect(text).toMatch(/"engine".*"version".*"device".*"cpu"/s)
    expect(parseCommit(text, 'c').computedBy).toEqual(computedBy)
    expect(countsOf(parseCommit(text, 'c'))).toEqual({ images: 2, failed: 0, computedBy })
    expect(parseCommit(encodeCommit({ part: 1, images: 2, failed: 0, files }), 'c')).not.toHaveProperty('computedBy')
    expect(() => parseCommit(text.replace('"x64-fma.0a1b2c3d"', '7'), 'c')).toThrow(/expected cpu/)
    const single = encodeCommit({ part: 1, images: 2, failed: 0, files, oneByOne: 'a batch differs' })
    expect(countsOf(parseCommit(single, 'c'))).toEqual({ images: 2, failed: 0, oneByOne: 'a batch differs' })
  })

  it('are refused with what is wrong', () => {
    const broken = (change: object): string => JSON.stringify({ part: 1, images: 2, failed: 0, files: [], ...change })
    expect(() => parseCommit(broken({ part: '1' }), 'c')).toThrow(/c: expected part/)
    expect(() => parseCommit(broken({ files: [{ path: 'a', bytes: 1, sha256: 'xyz' }] }), 'c')).toThrow(/files\[0\]: sha256/)
    expect(() => parseCommit('{', 'c')).toThrow(/c: not JSON/)
  })
})

describe('the index', () => {
  const row = (index: number, label?: string): IndexRow => ({
    key: `${index}${awkward}`,
    part: 3,
    row: index,
    width: 640,
    height: 480 + index,
    sha256: 'ab'.repeat(32),
    ...(label === undefined ? {} : { label }),
  })

  it('comes back as it was written, with and without labels, even when empty', async () => {
    for (const rows of [
      [],
      [row(0)],
      [row(0, 'cat'), row(1), row(2, '')],
      Array.from({ length: 2500 }, (_, index) => row(index, `${index % 3}`)),
    ]) {
      const bytes = encodeIndex(rows)
      expect(await parseIndex(bytes, 'i')).toEqual(rows)
      expect(Buffer.compare(encodeIndex(rows), bytes)).toBe(0)
    }
  })

  it('is refused where it is something else', async () => {
    await expect(parseIndex(Buffer.from('not parquet at all'), 'i')).rejects.toMatchObject({ code: 'RECORD_INVALID' })
    await expect(parseIndex(encodeIndex([row(0)]).subarray(0, 100), 'i')).rejects.toMatchObject({ code: 'RECORD_INVALID' })
  })
})
