import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type Promotion, type RunRecord, versionUrl } from '@layermill/contracts'
import { allocateVersion, ModelRegistry, readVersions, type Verdict } from '@layermill/orchestrator/registry'
import { noteUse } from '@layermill/orchestrator/run'
import { openStore, type Store } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testFolder } from '../../helpers/folders.js'
import { useS3Server } from '../storage/s3-server.js'

const folder = testFolder('registry-store')
const bucket = `layermill-${randomBytes(6).toString('hex')}`
let stop = async (): Promise<void> => {}

beforeAll(async () => {
  ;({ stop } = await useS3Server())
  await createBucket(bucket)
})
afterAll(async () => stop())

const places = {
  file: async (name: string) => join(await folder(), name),
  s3: async (name: string) => `s3://${bucket}/${name}`,
}

const by = 'someone'
const draft = (run: string) => ({
  name: 'pets',
  run,
  out: `s3://bucket/${run}`,
  sha256: `hash of ${run}`,
  created: '2026-01-02T03:04:05.000Z',
  by,
})

/** Versions 1 to `count` with all their files, the first one the latest. */
async function filled(store: Store, count: number): Promise<ModelRegistry> {
  const registry = new ModelRegistry(store)
  for (let version = 1; version <= count; version++) {
    await allocateVersion(store, draft(`run-${version}`))
    await store.put(`models/pets/versions/${version}/model.json`, '{}')
  }
  await registry.promote('pets', 1, { by })
  return registry
}

const verdict = (version: number, champion: number | undefined, promoted = true): Verdict => ({
  version,
  champion,
  promoted,
  sha256: `hash of run-${version}`,
  by,
  reason: 'it was judged',
  run: `run-${version}`,
})

describe.each(['file', 's3'] as const)('the registry on %s', kind => {
  const open = async (name: string): Promise<Store> => openStore(await places[kind](name))

  it('gives runs that come at once different numbers, and a run the same one', async () => {
    const store = await open('numbers')
    const runs = ['a', 'b', 'c', 'd', 'e', 'a', 'b', 'c']
    const versions = await Promise.all(runs.map(run => allocateVersion(store, draft(run))))
    const byRun = new Map(versions.map(({ run, version }) => [run, version]))
    expect(versions.map(({ version }) => version)).toEqual(runs.map(run => byRun.get(run)))
    expect(new Set(byRun.values())).toEqual(new Set([1, 2, 3, 4, 5]))
    expect(await readVersions(store, 'pets')).toHaveLength(5)
    await expect(allocateVersion(store, { ...draft('a'), sha256: 'other' })).rejects.toThrow(
      expect.objectContaining({ code: 'REGISTRY_CONFLICT' }),
    )
  })

  it('puts promotions that come at once into a line: each is in the history, after the one that it followed', async () => {
    const registry = await filled(await open('line'), 5)
    await Promise.all([2, 3, 4, 5].map(version => registry.promote('pets', version, { by })))
    const { history, latest } = await registry.get('pets')
    const line = history.toReversed()
    expect(line.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5])
    expect(line.map(({ previous }) => previous)).toEqual([undefined, ...line.slice(0, -1).map(({ version }) => version)])
    expect(new Set(line.map(({ version }) => version))).toEqual(new Set([1, 2, 3, 4, 5]))
    expect(latest).toBe(line.at(-1)!.version)
  })

  it('lets one of two challengers of the same champion win; the other has to be judged anew', async () => {
    const registry = await filled(await open('challengers'), 3)
    const done = await Promise.all([registry.conclude('pets', verdict(2, 1)), registry.conclude('pets', verdict(3, 1))])
    const [winner, ...others] = done.filter(state => state !== undefined)
    expect(others).toEqual([])
    expect((await registry.get('pets')).history.map(({ version }) => version)).toEqual([winner!.version, 1])
    expect(await registry.conclude('pets', verdict(winner!.version === 2 ? 3 : 2, winner!.version, false))).toMatchObject({
      version: winner!.version,
      trail: [1],
    })
    expect((await registry.get('pets')).history[0]).toMatchObject({ event: 'kept' })
  })

  it('writes down what a writer that died had not', async () => {
    const store = await open('dead')
    const registry = await filled(store, 3)
    const before = await store.get('models/pets/history.jsonl')
    await registry.promote('pets', 2, { by })
    // As if it had died between the swap and the history.
    await store.put('models/pets/history.jsonl', before!)
    expect((await registry.get('pets')).history.map(({ version }) => version)).toEqual([2, 1])
    await registry.promote('pets', 3, { by })
    expect((await registry.get('pets')).history.map(({ version }) => version)).toEqual([3, 2, 1])
    const lines = new TextDecoder()
      .decode(await store.get('models/pets/history.jsonl'))
      .trim()
      .split('\n')
    expect(lines.map(line => (JSON.parse(line) as { sequence: number }).sequence)).toEqual([1, 2, 3])
  })

  it('goes back step by step, once for each request', async () => {
    const told: Promotion[] = []
    const store = await open('back')
    await filled(store, 3)
    const registry = new ModelRegistry(store, { onPromoted: promotion => void told.push(promotion) })
    await registry.promote('pets', 2, { by })
    await registry.promote('pets', 3, { by, from: 2 })
    await expect(registry.promote('pets', 3, { by })).rejects.toThrow(expect.objectContaining({ code: 'REGISTRY_CONFLICT' }))
    const twice = await Promise.allSettled([registry.rollback('pets', { by, from: 3 }), registry.rollback('pets', { by, from: 3 })])
    expect(twice.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await registry.rollback('pets', { by })).toMatchObject({ version: 1, trail: [] })
    await expect(registry.rollback('pets', { by })).rejects.toThrow(expect.objectContaining({ code: 'ROLLBACK_IMPOSSIBLE' }))
    expect(told.map(({ entry }) => [entry.event, entry.version])).toEqual([
      ['promoted', 2],
      ['promoted', 3],
      ['rolled-back', 2],
      ['rolled-back', 1],
    ])
  })

  it('lists models whatever their names, and knows what was made with which version', async () => {
    const store = await open('names')
    const registry = await filled(store, 2)
    for (const name of ['pets-2', 'pets0', 'a.b']) await allocateVersion(store, { ...draft('x'), name })
    expect((await registry.list()).map(({ name, latest }) => [name, latest])).toEqual([
      ['a.b', undefined],
      ['pets', 1],
      ['pets-2', undefined],
      ['pets0', undefined],
    ])
    const model = await registry.resolve({ name: 'pets', version: 'latest' })
    expect(model).toBe(versionUrl({ root: store.url, name: 'pets', version: 1 }))
    const record = { id: 'extract-1', spec: { kind: 'extract', model } } as unknown as RunRecord
    await noteUse(record, 's3://bucket/features', new Date(0), async url => openStore(url))
    expect((await registry.get('pets')).uses).toMatchObject([{ out: 's3://bucket/features', version: 1, stale: false }])
    expect((await registry.promote('pets', 2, { by })).entry.stale).toEqual(['s3://bucket/features'])
    await expect(registry.resolve({ name: 'pets', version: 7 })).rejects.toThrow(expect.objectContaining({ code: 'MODEL_NOT_REGISTERED' }))
    await expect(registry.get('../x')).rejects.toThrow(expect.objectContaining({ code: 'MODEL_NAME_INVALID' }))
  })
})
