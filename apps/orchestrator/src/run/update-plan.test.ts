import { commitPath, errorsPath, manifestPath } from '@layermill/contracts'
import { encodeCommit, encodeErrors, encodeManifest, type ImageSource, LeftOut, readManifest, type SourceItem } from '@layermill/storage'
import { MemoryStore } from '@layermill/storage/testing'
import { expect, it } from 'vitest'
import { planUpdate } from './update-plan.js'

const row = (key: string, etag = 'v1'): SourceItem => ({ key, etag, bytes: 1 })

function sourceOf(rows: readonly SourceItem[]): ImageSource {
  async function* items() {
    yield* rows
  }
  return {
    url: '/photos',
    kind: 'folder',
    items,
    read: () => Promise.reject(new Error('nothing is read here')),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** A finished run of one part, with one image that failed. */
async function finished(keys: readonly string[], failed: { key: string; code: string }, etag = 'v1'): Promise<MemoryStore> {
  const store = new MemoryStore()
  await store.put(manifestPath(0), encodeManifest(keys.map(key => row(key, key === failed.key ? etag : 'v1'))))
  await store.put(errorsPath(0), encodeErrors([{ ...failed, reason: 'it was so' }]))
  await store.put(commitPath(0), encodeCommit({ part: 0, images: keys.length, failed: 1, files: [] }))
  return store
}

const keys = ['a.jpg', 'b.jpg', 'c.jpg']

it.each(['IMAGE_MISSING', 'IMAGE_UNREADABLE', 'IMAGE_CHANGED', 'IMAGE_TIMEOUT'])(
  'an update tries again what failed with %s, though the listing has not changed',
  async code => {
    const store = await finished(keys, { key: 'b.jpg', code })
    const plan = await planUpdate(store, sourceOf(keys.map(key => row(key))), 10, { leftOut: new LeftOut() })
    expect(plan).toEqual({ parts: [{ part: 1, images: 3 }], retire: [0] })
    expect(await readManifest(store, 1)).toEqual([
      { ...row('a.jpg'), from: { part: 0, row: 0 } },
      row('b.jpg'),
      { ...row('c.jpg'), from: { part: 0, row: 1 } },
    ])
  },
)

it.each(['IMAGE_CORRUPT', 'IMAGE_UNSUPPORTED'])('an update leaves %s alone until the file is another', async code => {
  const store = await finished(keys, { key: 'b.jpg', code })
  expect(await planUpdate(store, sourceOf(keys.map(key => row(key))), 10)).toEqual({ parts: [], retire: [] })
  expect((await planUpdate(store, sourceOf(keys.map(key => row(key, key === 'b.jpg' ? 'v2' : 'v1'))), 10)).retire).toEqual([0])
})

it('an update leaves an image alone that a list names and that is not there, until it is', async () => {
  const store = await finished(keys, { key: 'b.jpg', code: 'IMAGE_MISSING' }, '')
  const listed = (etag: string) => sourceOf(keys.map(key => row(key, key === 'b.jpg' ? etag : 'v1')))
  expect(await planUpdate(store, listed(''), 10)).toEqual({ parts: [], retire: [] })
  expect((await planUpdate(store, listed('v1'), 10)).retire).toEqual([0])
})
