import { commitPath, errorsPath, manifestPath } from '@layermill/contracts'
import { encodeCommit, encodeErrors, encodeManifest, LeftOut, readManifest, type SourceItem } from '@layermill/storage'
import { listedSource, MemoryStore } from '@layermill/storage/testing'
import { expect, it } from 'vitest'
import { failedItems, imagesToUpdate, planUpdate } from './update-plan.js'

const row = (key: string, etag = 'v1'): SourceItem => ({ key, etag, bytes: 1 })

/** A finished run of one part, with one image that failed. */
async function finished(keys: readonly string[], failed: { key: string; code: string }, etag = 'v1'): Promise<MemoryStore> {
  const store = new MemoryStore()
  await store.put(manifestPath(0), encodeManifest(keys.map(key => row(key, key === failed.key ? etag : 'v1'))))
  await store.put(errorsPath(0), encodeErrors([{ ...failed, reason: 'it was so' }]))
  await store.put(commitPath(0), encodeCommit({ part: 0, images: keys.length, failed: 1, files: [] }))
  return store
}

const keys = ['a.jpg', 'b.jpg', 'c.jpg']
const nothing = { added: 0, changed: 0, deleted: 0, retried: 0 }

it.each(['IMAGE_MISSING', 'IMAGE_UNREADABLE', 'IMAGE_CHANGED', 'IMAGE_TIMEOUT'])(
  'an update tries again what failed with %s, though the listing has not changed',
  async code => {
    const store = await finished(keys, { key: 'b.jpg', code })
    const plan = await planUpdate(store, listedSource(keys.map(key => row(key))), 10, { leftOut: new LeftOut() })
    expect(plan).toEqual({ parts: [{ part: 1, images: 3 }], retire: [0], found: { ...nothing, retried: 1 } })
    expect(await readManifest(store, 1)).toEqual([
      { ...row('a.jpg'), from: { part: 0, row: 0 } },
      row('b.jpg'),
      { ...row('c.jpg'), from: { part: 0, row: 1 } },
    ])
  },
)

it.each(['IMAGE_CORRUPT', 'IMAGE_UNSUPPORTED'])('an update leaves %s alone until the file is another', async code => {
  const store = await finished(keys, { key: 'b.jpg', code })
  expect(await planUpdate(store, listedSource(keys.map(key => row(key))), 10)).toEqual({ parts: [], retire: [], found: nothing })
  expect((await planUpdate(store, listedSource(keys.map(key => row(key, key === 'b.jpg' ? 'v2' : 'v1'))), 10)).retire).toEqual([0])
})

it('an update leaves an image alone that a list names and that is not there, until it is', async () => {
  const store = await finished(keys, { key: 'b.jpg', code: 'IMAGE_MISSING' }, '')
  const listed = (etag: string) => listedSource(keys.map(key => row(key, key === 'b.jpg' ? etag : 'v1')))
  expect(await planUpdate(store, listed(''), 10)).toEqual({ parts: [], retire: [], found: nothing })
  expect((await planUpdate(store, listed('v1'), 10)).retire).toEqual([0])
})

it('an update tells what it found, and a plan of one counts the same without writing', async () => {
  const found = { added: 2, changed: 2, deleted: 1, retried: 1 }
  const make = (): Promise<MemoryStore> => finished([...keys, 'd.jpg', 'e.jpg'], { key: 'b.jpg', code: 'IMAGE_TIMEOUT' })
  // b is tried again, c is another version, d is gone, e has another label.
  const listed = [row('a.jpg'), row('b.jpg'), row('c.jpg', 'v2'), { ...row('e.jpg'), label: 'cat' }, row('f.jpg'), row('g.jpg')]
  const store = await make()
  const items: string[] = []
  const plan = imagesToUpdate(store, listedSource(listed))
  let next = await plan.next()
  for (; next.done !== true; next = await plan.next()) items.push(next.value.key)
  expect(next.value).toEqual(found)
  // Another label alone needs no computing.
  expect(items).toEqual(['f.jpg', 'g.jpg', 'b.jpg', 'c.jpg'])
  expect(await store.stat(manifestPath(1))).toBeUndefined()
  expect((await planUpdate(await make(), listedSource(listed), 10)).found).toEqual(found)
  const retry = failedItems(store, listedSource(listed))
  expect(await retry.next()).toMatchObject({ value: { key: 'b.jpg' } })
  expect(await retry.next()).toEqual({ done: true, value: { ...nothing, retried: 1 } })
})
