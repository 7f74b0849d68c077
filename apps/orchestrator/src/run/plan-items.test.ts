import { commitPath, errorsPath, manifestPath, parseSpec, type RunRecord } from '@layermill/contracts'
import { encodeCommit, encodeErrors, encodeManifest, LeftOut, type ManifestRow, type SourceItem } from '@layermill/storage'
import { listedSource, MemoryStore } from '@layermill/storage/testing'
import { expect, it } from 'vitest'
import type { RunAction } from './decide.js'
import { type PlanFacts, plannedImages } from './plan-items.js'
import { planUpdate } from './update-plan.js'

const row = (key: string, etag = 'v1'): SourceItem => ({ key, etag, bytes: 1 })
const listed = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(key => row(key))

const existing = (facts: Partial<RunRecord>): RunRecord => ({
  version: 1,
  id: 'extract-1',
  state: 'planning',
  generation: 0,
  spec: parseSpec({ kind: 'extract', source: '/photos', model: 'resnet50', out: '/features' }),
  identity: {} as RunRecord['identity'],
  layers: [],
  partSize: 2,
  batchSize: 8,
  planned: false,
  counts: { images: 0, done: 0, failed: 0, parts: 0 },
  created: '2026-01-01T00:00:00Z',
  versions: {},
  ...facts,
})

/** A store with parts, the first ones committed; the first image failed. */
async function storeOf(parts: readonly (readonly ManifestRow[])[], committed: number): Promise<MemoryStore> {
  const store = new MemoryStore()
  for (const [part, rows] of parts.entries()) {
    await store.put(manifestPath(part), encodeManifest(rows))
    const failed = part === 0 ? 1 : 0
    if (part >= committed) continue
    await store.put(commitPath(part), encodeCommit({ part, images: rows.length - failed, failed, files: [] }))
    if (failed > 0) await store.put(errorsPath(part), encodeErrors([{ key: 'a', code: 'IMAGE_TIMEOUT', reason: 'it was slow' }]))
  }
  return store
}

async function planned(
  store: MemoryStore,
  action: RunAction,
  record: RunRecord | undefined,
  { items = listed, without }: { items?: readonly SourceItem[]; without?: ReadonlySet<string> } = {},
): Promise<PlanFacts & { keys: string }> {
  const contents = async () => {
    const found: unknown[] = []
    for await (const entry of store.list('')) found.push(entry)
    return found
  }
  const before = await contents()
  let keys = ''
  const images = plannedImages(action, record, store, { source: listedSource(items), listing: { leftOut: new LeftOut(), without } })
  let next = await images.next()
  for (; next.done !== true; next = await images.next()) keys += next.value.key
  expect(await contents()).toEqual(before)
  return { keys, ...next.value }
}

const parts = [listed.slice(0, 2), listed.slice(2, 4), listed.slice(4, 6)]

it('a run that goes on computes its open parts, and what it has not listed', async () => {
  const store = await storeOf(parts, 1)
  expect(await planned(store, 'resume', existing({}))).toEqual({ keys: 'cdefg', standing: { images: 6, done: 1 } })
  expect(await planned(store, 'resume', existing({ planned: true }))).toEqual({ keys: 'cdef', standing: { images: 6, done: 1 } })
  expect(await planned(store, 'resume', existing({}), { without: new Set(['g']) })).toMatchObject({ keys: 'cdef' })
})

it('an update that goes on computes what is new in its open parts, and keeps what was found', async () => {
  const store = await storeOf(parts, 3)
  const now = [row('a'), row('b', 'v2'), ...listed.slice(2)]
  const found = { added: 1, changed: 1, deleted: 0, retried: 1 }
  const updating = existing({ updating: 'update' })
  // Interrupted before it was planned: parts that it had begun to write are written anew.
  await store.put(manifestPath(3), encodeManifest([row('g')]))
  expect(await planned(store, 'resume', updating, { items: now })).toEqual({ keys: 'gab', standing: { images: 6, done: 5 }, found })
  expect((await planUpdate(store, listedSource(now), 2)).found).toEqual(found)
  expect(await planned(store, 'resume', updating, { items: now })).toEqual({ keys: 'gab', standing: { images: 7, done: 4 }, found })
  await store.put(commitPath(3), encodeCommit({ part: 3, images: 1, failed: 0, files: [] }))
  expect(await planned(store, 'resume', updating, { items: now })).toEqual({ keys: 'ab', standing: { images: 7, done: 5 }, found })
})

it('of a finished run nothing, what an update or a retry takes, or everything', async () => {
  const store = await storeOf(parts, 3)
  const done = existing({ state: 'done', planned: true, counts: { images: 6, done: 5, failed: 1, parts: 3 } })
  const standing = { images: 6, done: 5 }
  const nothing = { added: 0, changed: 0, deleted: 0, retried: 0 }
  expect(await planned(store, 'complete', done)).toEqual({ keys: '', standing })
  expect(await planned(store, 'retry', done)).toEqual({ keys: 'a', standing, found: { ...nothing, retried: 1 } })
  const without = new Set(['b', 'g'])
  expect(await planned(store, 'update', done)).toEqual({ keys: 'ga', standing, found: { ...nothing, added: 1, retried: 1 } })
  expect(await planned(store, 'update', done, { without })).toEqual({ keys: 'a', standing, found: { ...nothing, deleted: 1, retried: 1 } })
  expect(await planned(store, 'renew', done, { without })).toEqual({ keys: 'acdef', standing })
  expect(await planned(store, 'replace', done, { without })).toEqual({ keys: 'acdef' })
  expect(await planned(store, 'create', undefined)).toEqual({ keys: 'abcdefg' })
})
