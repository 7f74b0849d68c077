import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LayermillError } from '@layermill/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../open.js'
import type { Store } from '../store.js'
import { FeatureCache } from './feature-cache.js'

const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
const valuesOf = (image: string): Float32Array => Float32Array.from({ length: 256 }, (_, i) => hash(image)[i % 32]! + i / 8)

let root: string
let clock = 0
let notes: string[] = []

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-cache-'))
  clock = 1
  notes = []
})
afterEach(() => rm(root, { recursive: true, force: true }))

const open = (limit = 1e9, store: Store = openStore(root)): FeatureCache =>
  new FeatureCache(store, { limit, note: text => notes.push(text), now: () => clock++ })

async function write(cache: FeatureCache, images: readonly string[], computation = 'pool5'): Promise<void> {
  const values = cache.computation(computation, 'float32')
  await values.refresh()
  const writer = values.writer()
  for (const image of images) await writer.add(hash(image), 30, 20, valuesOf(image))
  await writer.finish()
}

/** Which of the images a newly opened cache has; with the right values. */
async function found(images: readonly string[], computation = 'pool5'): Promise<string[]> {
  const cache = open()
  const values = cache.computation(computation, 'float32')
  await values.refresh()
  const hits: string[] = []
  for (const image of images) {
    const hit = await values.find(hash(image))
    if (hit === undefined) continue
    expect(hit).toEqual({ width: 30, height: 20, values: valuesOf(image) })
    hits.push(image)
  }
  await cache.close()
  return hits
}

async function segments(store: Store = openStore(root)): Promise<{ key: string; bytes: number }[]> {
  const entries: { key: string; bytes: number }[] = []
  for await (const { key, bytes } of store.list('cache-v1/segments/')) entries.push({ key, bytes })
  return entries
}

/** A store whose named calls fail. */
function failing(...calls: (keyof Store)[]): Store {
  return new Proxy(openStore(root), {
    get(store, name) {
      const value: unknown = Reflect.get(store, name)
      if (typeof value !== 'function') return value
      if (!calls.includes(name as keyof Store)) return value.bind(store) as unknown
      return () => {
        throw new LayermillError('STORE_FULL', 'no room left')
      }
    },
  })
}

describe('a cache of features', () => {
  it('has what was written, of the same computation only, at once and in another process', async () => {
    const cache = open()
    await write(cache, ['a', 'b'])
    expect((await cache.computation('pool5', 'float32').find(hash('b')))?.values).toEqual(valuesOf('b'))
    await cache.close()
    expect(await found(['a', 'b', 'c'])).toEqual(['a', 'b'])
    expect(await found(['a', 'b', 'c'], 'res4')).toEqual([])
    expect(notes).toEqual([])
  })

  it('keeps halves exactly', async () => {
    const cache = open()
    const halves = cache.computation('half', 'float16')
    const writer = halves.writer()
    await writer.add(hash('a'), 1, 1, Float32Array.of(1 / 3, -70_000, 2 ** -24))
    await writer.finish()
    const values = (await halves.find(hash('a')))!.values
    expect([...values]).toEqual([0.333251953125, -Infinity, 2 ** -24])
    await cache.close()
  })

  it('writes an image once, whoever else does', async () => {
    const first = open()
    const second = open()
    await second.computation('pool5', 'float32').refresh()
    await write(first, ['a', 'a', 'b'])
    // This one does not know of the other's yet, and writes under the same name.
    const writer = second.computation('pool5', 'float32').writer()
    for (const image of ['a', 'b']) await writer.add(hash(image), 30, 20, valuesOf(image))
    await writer.finish()
    await write(first, ['b', 'a'])
    await Promise.all([first.close(), second.close()])
    expect(await segments()).toHaveLength(1)
    expect(await found(['a', 'b'])).toEqual(['a', 'b'])
  })

  it('finds and replaces what is damaged', async () => {
    const cache = open()
    await write(cache, ['a', 'b'])
    await cache.close()
    const store = openStore(root)
    const [{ key, bytes }] = (await segments()) as [{ key: string; bytes: number }]
    const good = (await store.get(key))!
    for (const bad of [
      good.subarray(0, bytes - 1),
      good.map((byte, i) => (i === 60 ? byte ^ 1 : byte)),
      good.map((byte, i) => (i === bytes - 40 ? byte ^ 1 : byte)),
    ]) {
      await store.put(key, bad)
      expect(await found(['a', 'b'])).toEqual([])
      expect(await segments()).toEqual([])
      const again = open()
      await write(again, ['a', 'b'])
      await again.close()
      expect(Buffer.from((await store.get(key))!).equals(Buffer.from(good))).toBe(true)
    }
    expect(notes).toEqual([])
  })

  it('stays within its limit and drops what was used longest ago, also where several write', async () => {
    const one = open()
    await write(one, ['probe'])
    await one.close()
    const limit = 4.5 * (await segments())[0]!.bytes
    const cache = open(limit)
    for (const image of ['1', '2', '3']) await write(cache, [image])
    await cache.computation('pool5', 'float32').find(hash('1'))
    await write(cache, ['4'])
    // `probe`, written before all, had to go; then 2, since 1 was read after it.
    await write(cache, ['5'])
    await cache.close()
    expect(await found(['probe', '1', '2', '3', '4', '5'])).toEqual(['1', '3', '4', '5'])

    const others = Array.from({ length: 4 }, () => open(limit))
    await Promise.all(others.map((other, i) => write(other, [`other ${i}`])))
    for (const other of others) await other.close()
    expect((await segments()).reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(limit)
    const small = open(100)
    await write(small, ['6'])
    await small.close()
    expect(await found(['6'])).toEqual([])
    expect(notes).toEqual([])
  })

  it('is a miss where a segment was dropped by another run meanwhile', async () => {
    const cache = open()
    await write(cache, ['a'])
    const reader = open()
    await reader.computation('pool5', 'float32').refresh()
    for (const { key } of await segments()) await openStore(root).delete(key)
    expect(await reader.computation('pool5', 'float32').find(hash('a'))).toBeUndefined()
    expect(reader.computation('pool5', 'float32').has(hash('a'))).toBe(false)
    expect(notes).toEqual([])
  })

  it('says once that it does not work, and is empty then', async () => {
    const cache = open()
    await write(cache, ['a'])
    await cache.close()
    const unreadable = open(1e9, failing('list', 'getRange', 'put'))
    for (const computation of ['pool5', 'res4']) {
      await write(unreadable, ['a', 'b'], computation)
      expect(await unreadable.computation(computation, 'float32').find(hash('a'))).toBeUndefined()
    }
    await unreadable.close()
    expect(notes).toEqual([expect.stringMatching(/^cache file:.* is left alone from here on: no room left$/)])

    notes = []
    const full = open(1e9, failing('put'))
    await write(full, ['b'])
    await write(full, ['c'])
    expect((await full.computation('pool5', 'float32').find(hash('a')))?.width).toBe(30)
    await full.close()
    expect(notes).toEqual([expect.stringMatching(/is only read from here on/)])
  })
})
