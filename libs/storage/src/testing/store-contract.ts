import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Store, StoreEntry } from '../store.js'

const text = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8'))

async function keysOf(entries: AsyncIterable<StoreEntry>): Promise<string[]> {
  const keys: string[] = []
  for await (const entry of entries) keys.push(entry.key)
  return keys
}

/** Keys whose order by UTF-8 bytes differs from that of folders, of UTF-16 units, or of a person. */
const awkwardKeys = [
  'a b/c+d&e=f?g#h%20.txt',
  'a-b',
  'a.txt',
  'a/b',
  'a/b.c',
  'a/b/c',
  'a0',
  'b/"quoted" <&>.jpg',
  'Z',
  'ä/ö',
  'é',
  '\uff5e',
  '\u{1f600}/x',
  '\u{1f600}',
]

const byUtf8 = (keys: readonly string[]): string[] => [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

/**
 * The contract of every Store, as tests. `open` gives a fresh, empty store each time it is called; `again` a second store on the same
 * place, as another process would have.
 */
export function storeContract(name: string, open: () => Promise<{ store: Store; again: () => Promise<Store> }>): void {
  describe(`store contract: ${name}`, () => {
    let store: Store
    let again: () => Promise<Store>
    beforeEach(async () => {
      ;({ store, again } = await open())
    })
    afterEach(async () => store.close())

    readingAndWriting(() => store)
    conditionalWriting(
      () => store,
      () => again(),
    )
    streaming(() => store)
    listing(() => store)
    refusing(() => store)
  })
}

function readingAndWriting(store: () => Store): void {
  it('gives back what was put, by another opening of the same place too', async () => {
    const bytes = randomBytes(300_000)
    expect(await store().put('x/y.bin', bytes)).toBe(true)
    expect(Buffer.compare((await store().get('x/y.bin')) ?? new Uint8Array(), bytes)).toBe(0)
    expect(await store().put('text', 'grüße')).toBe(true)
    expect(text(await store().get('text'))).toBe('grüße')
    expect(await store().put('empty', new Uint8Array())).toBe(true)
    expect((await store().get('empty'))?.byteLength).toBe(0)
  })

  it('writes the bytes of a view, not of the buffer under it', async () => {
    const whole = Uint8Array.from({ length: 100 }, (_, index) => index)
    await store().put('view', whole.subarray(10, 20))
    expect([...((await store().get('view')) ?? [])]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  })

  it('says undefined for what is not there, below folders and files alike', async () => {
    await store().put('folder/file', 'x')
    for (const key of ['nothing', 'folder', 'folder/other', 'folder/file/below', 'no/such/folder']) {
      expect(await store().get(key), key).toBeUndefined()
      expect(await store().stat(key), key).toBeUndefined()
      expect(await store().getRange(key, 0, 1), key).toBeUndefined()
    }
  })

  it('reads ranges, cut off at the end', async () => {
    await store().put('digits', '0123456789')
    expect(text(await store().getRange('digits', 2, 5))).toBe('234')
    expect(text(await store().getRange('digits', 0, 1))).toBe('0')
    expect(text(await store().getRange('digits', 7, 100))).toBe('789')
    expect(text(await store().getRange('digits', 0, Number.MAX_SAFE_INTEGER))).toBe('0123456789')
    expect(text(await store().getRange('digits', 4, 4))).toBe('')
    expect(text(await store().getRange('digits', 10, 12))).toBe('')
  })

  it('has an etag that stays with the content and changes with it', async () => {
    await store().put('file', 'one')
    const first = await store().stat('file')
    expect(first).toMatchObject({ key: 'file', bytes: 3 })
    expect(first?.etag).not.toMatch(/"/)
    expect(await store().stat('file')).toEqual(first)
    await store().put('file', 'two')
    expect((await store().stat('file'))?.etag).not.toBe(first?.etag)
  })

  it('deletes, and does not mind where there is nothing', async () => {
    await store().put('a/b', 'x')
    await store().delete('a/b')
    await store().delete('a/b')
    await store().delete('never/was')
    expect(await store().get('a/b')).toBeUndefined()
    expect(await keysOf(store().list(''))).toEqual([])
  })
}

function conditionalWriting(store: () => Store, again: () => Promise<Store>): void {
  it('writes ifAbsent once, whoever asks', async () => {
    expect(await store().put('once', 'first', { ifAbsent: true })).toBe(true)
    expect(await store().put('once', 'second', { ifAbsent: true })).toBe(false)
    const other = await again()
    expect(await other.put('once', 'third', { ifAbsent: true })).toBe(false)
    expect(text(await other.get('once'))).toBe('first')
    await other.close()
  })

  it('lets exactly one of many writers at the same moment win ifAbsent', async () => {
    const other = await again()
    for (let round = 0; round < 5; round++) {
      const key = `race/${round}`
      const writers = Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? store() : other))
      const wins = await Promise.all(writers.map((writer, index) => writer.put(key, `writer ${index}`, { ifAbsent: true })))
      expect(wins.filter(Boolean)).toHaveLength(1)
      expect(text(await store().get(key))).toBe(`writer ${wins.indexOf(true)}`)
    }
    await other.close()
  })

  it('replaces ifMatch only the version that was seen', async () => {
    expect(await store().put('file', 'x', { ifMatch: 'no-such-version' })).toBe(false)
    expect(await store().get('file')).toBeUndefined()
    await store().put('file', 'one')
    const seen = (await store().stat('file'))?.etag ?? ''
    expect(await store().put('file', 'two', { ifMatch: seen })).toBe(true)
    expect(await store().put('file', 'six', { ifMatch: seen })).toBe(false)
    expect(text(await store().get('file'))).toBe('two')
  })

  it('loses no update among writers that compare and swap', async () => {
    const other = await again()
    await store().put('count', '0')
    const increment = async (writer: Store): Promise<void> => {
      for (;;) {
        const seen = await writer.stat('count')
        const value = Number(text(await writer.get('count')))
        if (await writer.put('count', String(value + 1), { ifMatch: seen?.etag ?? '' })) return
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, index) => increment(index % 2 === 0 ? store() : other)))
    expect(text(await store().get('count'))).toBe('8')
    await other.close()
  })
}

/** Pieces of these sizes, all different, then an error where one is given. */
async function* piecesOf(bytes: Uint8Array, sizes: readonly number[], error?: Error): AsyncGenerator<Uint8Array> {
  let start = 0
  for (const size of sizes) yield bytes.subarray(start, (start += size))
  if (error !== undefined) throw error
  yield bytes.subarray(start)
}

function streaming(store: () => Store): void {
  it('writes what comes in pieces, none and many bytes alike', async () => {
    // More than a part of an upload.
    const bytes = randomBytes(35 * 1024 * 1024)
    expect(await store().putStream('x/streamed', piecesOf(bytes, [1, 0, 7, 20_000_000, 13_000_000]))).toBe(true)
    expect(Buffer.compare((await store().get('x/streamed')) ?? new Uint8Array(), bytes)).toBe(0)
    expect(await store().putStream('empty', piecesOf(new Uint8Array(), []))).toBe(true)
    expect((await store().get('empty'))?.byteLength).toBe(0)
  })

  it('streams ifAbsent once, and leaves nothing of pieces that end in an error, which it throws as it is', async () => {
    const bytes = randomBytes(1000)
    expect(await store().putStream('file', piecesOf(bytes, [500]), { ifAbsent: true })).toBe(true)
    expect(await store().putStream('file', piecesOf(randomBytes(9), [5]), { ifAbsent: true })).toBe(false)
    const stopped = new Error('stopped')
    await expect(store().putStream('file', piecesOf(randomBytes(9), [5], stopped))).rejects.toBe(stopped)
    await expect(store().putStream('other', piecesOf(bytes, [500], stopped))).rejects.toBe(stopped)
    expect(await keysOf(store().list(''))).toEqual(['file'])
    expect(Buffer.compare((await store().get('file')) ?? new Uint8Array(), bytes)).toBe(0)
    await expect(store().putStream('../up', piecesOf(bytes, []))).rejects.toMatchObject({ code: 'KEY_INVALID' })
  })
}

function listing(store: () => Store): void {
  it('lists keys in the order of their UTF-8 bytes, whatever they contain', async () => {
    // A folder store cannot hold a file and a folder of one name; those pairs are left to the next test.
    const keys = awkwardKeys.filter(key => !awkwardKeys.some(other => other.startsWith(`${key}/`)))
    for (const key of keys) await store().put(key, key)
    const entries: StoreEntry[] = []
    for await (const entry of store().list('')) entries.push(entry)
    expect(entries.map(entry => entry.key)).toEqual(byUtf8(keys))
    for (const entry of entries) {
      expect(entry).toEqual(await store().stat(entry.key))
      expect(text(await store().get(entry.key))).toBe(entry.key)
    }
  })

  it('lists by any prefix, of a folder or of a name', async () => {
    for (const key of ['ab/1', 'ab/2', 'abc', 'b/ab/1']) await store().put(key, '')
    expect(await keysOf(store().list('ab'))).toEqual(['ab/1', 'ab/2', 'abc'])
    expect(await keysOf(store().list('ab/'))).toEqual(['ab/1', 'ab/2'])
    expect(await keysOf(store().list('ab/2'))).toEqual(['ab/2'])
    expect(await keysOf(store().list('zz'))).toEqual([])
    expect(await keysOf(store().list('no/such/'))).toEqual([])
  })

  it('goes on after any key, there or not', async () => {
    const keys = byUtf8(['a-b/x', 'a.c', 'a/b/c', 'a/b/d', 'a/b0', 'a/c', 'a0'])
    for (const key of keys) await store().put(key, '')
    for (const after of [...keys, 'a', 'a/', 'a/b', 'a/b/', 'a/b/c/z', 'zz']) {
      const expected = keys.filter(key => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0)
      expect(await keysOf(store().list('', { after })), `after ${after}`).toEqual(expected)
      expect(await keysOf(store().list('a/', { after }))).toEqual(expected.filter(key => key.startsWith('a/')))
    }
  })

  it('lists more than a page, and can be left in the middle', async () => {
    const keys = Array.from({ length: 1203 }, (_, index) => `many/${String(index).padStart(5, '0')}`)
    for (let start = 0; start < keys.length; start += 50) {
      await Promise.all(keys.slice(start, start + 50).map(key => store().put(key, 'x')))
    }
    expect(await keysOf(store().list('many/'))).toEqual(keys)
    let seen = 0
    for await (const entry of store().list('many/')) {
      seen += entry.bytes
      if (seen === 7) break
    }
    expect(seen).toBe(7)
  })
}

function refusing(store: () => Store): void {
  it.each(['', '/etc/passwd', '../up', 'a/../../up', 'a/..', './a', 'a//b', 'a/', 'nul\0', '\ud800'])('refuses the key %j', async key => {
    const refusal = expect.objectContaining({ code: 'KEY_INVALID' }) as unknown
    await expect(store().get(key)).rejects.toEqual(refusal)
    await expect(store().getRange(key, 0, 1)).rejects.toEqual(refusal)
    await expect(store().put(key, 'x')).rejects.toEqual(refusal)
    await expect(store().stat(key)).rejects.toEqual(refusal)
    await expect(store().delete(key)).rejects.toEqual(refusal)
  })

  it('says where it is without credentials, and how much room there is or that it cannot say', async () => {
    expect(store().url).toMatch(/^(file|s3):\/\//)
    expect(store().url).not.toContain('@')
    const free = await store().freeBytes()
    expect(free === undefined || free > 0).toBe(true)
  })
}
