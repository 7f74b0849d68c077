import { mkdtemp, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseRunRecord, parseSpec, runPath, type RunRecord, serializeRunRecord, successPath } from '@layermill/contracts'
import { openStore, type Store } from '@layermill/storage'
import { MemoryStore } from '@layermill/storage/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cancelRun, claimRun, readRunRecord, writeRunRecord } from '../run/record-store.js'
import { fencedStore } from './fenced-store.js'
import { heldRecord } from './held-record.js'

class Lost extends Error {}

const spec = parseSpec({ kind: 'extract', source: '/photos', model: 'googlenet', layers: ['conv2'], out: '/out' })
const run: RunRecord = {
  version: 1,
  id: 'extract-1',
  state: 'running',
  generation: 0,
  spec,
  identity: {
    model: 'googlenet',
    weights: '',
    layers: [],
    preparation: { version: '', size: 'keep', resample: '', autoOrient: true, oversample: false },
    precision: 'fp32',
    pool: 'none',
    dtype: 'float32',
    format: 'npy',
  },
  layers: [],
  partSize: 1,
  batchSize: 1,
  planned: true,
  counts: { images: 5, done: 0, failed: 0, parts: 5 },
  created: '2026-01-01T00:00:00Z',
  versions: {},
}
const done: RunRecord = { ...run, state: 'done', counts: { ...run.counts, done: 5 } }

const hold = (store: Store): Store => heldRecord(store, () => new Lost('another one has it'))
const isThere = async (store: Store): Promise<RunRecord> => parseRunRecord((await store.get(runPath))!, store.url)

/** A store on which something happens once, before or after the next put of the record arrives. */
function interrupted(store: Store, when: 'before' | 'after', action: () => Promise<unknown>): Store {
  let pending = true
  const act = async (now: typeof when): Promise<void> => {
    if (now !== when || !pending) return
    pending = false
    await action()
  }
  return {
    ...fencedStore(store, () => undefined),
    async put(key, bytes, options) {
      if (key === runPath) await act('before')
      const written = await store.put(key, bytes, options)
      if (key === runPath) await act('after')
      return written
    },
  }
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-held-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe.each(['file', 's3'] as const)('a held record, in a store whose versions are those of %s', kind => {
  let store: Store
  let place: string
  beforeEach(async () => {
    place = await mkdtemp(join(folder, 'out-'))
    store = kind === 's3' ? new MemoryStore() : openStore(place)
    await writeRunRecord(store, run)
  })

  it('writes one version after the other, the same content too, and lets other files be', async () => {
    const held = hold(store)
    await readRunRecord(held)
    for (const record of [run, { ...run, planned: false }, run, run, done]) await writeRunRecord(held, record)
    expect(await readRunRecord(held)).toEqual(done)
    expect(await held.put(successPath, '')).toBe(true)
    expect(await held.put('other', 'x', { ifAbsent: true })).toBe(true)
    expect(await held.put('other', 'y', { ifAbsent: true })).toBe(false)
    expect(await held.put(runPath, 'x', { ifMatch: 'another' })).toBe(false)
    expect(await isThere(store)).toEqual(done)
  })

  it('lets one whose run was taken up change nothing, not even by the record that it wrote before', async () => {
    const [first, second] = [hold(store), hold(store)]
    await readRunRecord(first)
    await claimRun(store, run.id)
    const claimed = await readRunRecord(second)
    expect(claimed).toEqual({ ...run, sittings: 1 })
    await writeRunRecord(second, { ...claimed!, planned: false })
    await expect(writeRunRecord(first, run)).rejects.toThrow(Lost)
    await expect(first.get(runPath)).rejects.toThrow(Lost)
    await expect(first.delete(runPath)).rejects.toThrow(Lost)
    await expect(first.put(successPath, '')).rejects.toThrow(Lost)
    expect(await isThere(store)).toEqual({ ...run, sittings: 1, planned: false })
    expect(await store.get(successPath)).toBeUndefined()
    await claimRun(store, run.id)
    expect(await isThere(store)).toMatchObject({ sittings: 2 })
  })

  it('does not land where the other one came while it was under way, before or after', async () => {
    const takeOver = async (): Promise<void> => {
      await claimRun(store, run.id)
      const other = hold(store)
      const { sittings } = (await readRunRecord(other))!
      await writeRunRecord(other, { ...done, sittings })
    }
    for (const when of ['before', 'after'] as const) {
      await writeRunRecord(store, run)
      const late = hold(interrupted(store, when, takeOver))
      await readRunRecord(late)
      await expect(writeRunRecord(late, { ...run, planned: false })).rejects.toThrow(Lost)
      expect(await isThere(store)).toEqual({ ...done, sittings: 1 })
    }
  })

  it('leaves an end that is written while the run is claimed or cancelled, and other runs', async () => {
    const finishing = hold(store)
    await readRunRecord(finishing)
    const finish = async (): Promise<void> => writeRunRecord(finishing, done)
    await claimRun(interrupted(store, 'before', finish), run.id)
    expect(await isThere(store)).toEqual(done)
    expect(await cancelRun(store, run.id, new Date(0))).toEqual(done)

    await writeRunRecord(store, run)
    await claimRun(store, 'extract-2')
    expect(await cancelRun(store, 'extract-2', new Date(0))).toBeUndefined()
    expect(await isThere(store)).toEqual(run)
    const stillAtIt = hold(store)
    await readRunRecord(stillAtIt)
    const cancelled = await cancelRun(store, run.id, new Date(0))
    expect(cancelled).toEqual({ ...run, state: 'cancelled', finished: '1970-01-01T00:00:00.000Z' })
    await expect(writeRunRecord(stillAtIt, done)).rejects.toThrow(Lost)
    await claimRun(store, run.id)
    expect(await isThere(store)).toEqual(cancelled)
    await store.delete(runPath)
    await claimRun(store, run.id)
    expect(await store.get(runPath)).toBeUndefined()
  })

  it('makes a record where it deleted one or found none, unless somebody else did', async () => {
    const [first, second] = [hold(store), hold(store)]
    await readRunRecord(first)
    await first.delete(runPath)
    expect(await readRunRecord(first)).toBeUndefined()
    expect(await readRunRecord(second)).toBeUndefined()
    await writeRunRecord(second, done)
    await expect(writeRunRecord(first, run)).rejects.toThrow(Lost)
    await expect(writeRunRecord(hold(store), run)).rejects.toThrow(Lost)
    expect(await isThere(store)).toEqual(done)
    await store.delete(runPath)
    await expect(writeRunRecord(second, done)).rejects.toThrow(Lost)
  })

  it('goes on where nothing but the time of the file changed', async () => {
    const held = hold(store)
    await readRunRecord(held)
    await (kind === 'file' ? utimes(join(place, runPath), 1, 1) : store.put(runPath, serializeRunRecord(run)))
    await writeRunRecord(held, done)
    expect(await isThere(store)).toEqual(done)
  })
})
