import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  commitPath,
  type ExtractSpec,
  makePayload,
  parseSpec,
  runPath,
  type RunJob,
  type RunRecord,
  successPath,
} from '@layermill/contracts'
import { getNetwork } from '@layermill/models'
import { encodeCommit, type ImageSource, openStore, readManifest, type Store } from '@layermill/storage'
import { listedSource, MemoryStore } from '@layermill/storage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunEnvironment } from '../run/environment.js'
import { execute } from '../run/execute.js'
import type { PartEvent, PartQueue } from '../run/part-queue.js'
import { claimRun, readRunRecord } from '../run/record-store.js'
import { inferenceSteps } from '../run/inference-steps.js'
import { fencedStore } from './fenced-store.js'
import { heldRecord } from './held-record.js'
import { askedRun } from './asked-run.js'
import { RunControl, RunLost } from './run-control.js'

const images = 5

const source = (): ImageSource => listedSource(Array.from({ length: images }, (_, i) => ({ key: `${i}.png`, etag: String(i), bytes: 1 })))

/** A queue whose parts are computed by themselves: their commit records appear, and the run is told. */
function workers(store: Store): PartQueue {
  let listener: (event: PartEvent) => void = () => undefined
  const compute = async (part: number): Promise<void> => {
    const { length } = await readManifest(store, part)
    await store.put(commitPath(part), encodeCommit({ part, images: length, failed: 0, files: [] }))
    listener({ kind: 'completed', part, result: { images: length, failed: 0 } })
  }
  const add = async (parts: readonly number[]): Promise<void> => parts.forEach(part => setImmediate(() => void compute(part)))
  return {
    add,
    again: add,
    adopt: async () => undefined,
    missing: async () => [],
    removeWaiting: async () => undefined,
    subscribe(told) {
      listener = told
      return () => undefined
    },
  }
}

const job = (): RunJob =>
  makePayload('run', {
    v: 1,
    run: 'extract-job',
    store: '/out',
    spec: parseSpec({ kind: 'extract', source: '/photos', model: 'googlenet', layers: ['conv2'], size: '32x32', out: '/out', partSize: 2 }),
  })

/**
 * One orchestrator's term at the run, as the run worker has it; `opened` says whether one before it told that the run has its record.
 */
async function sit(store: Store, opened: boolean): Promise<RunRecord> {
  const control = new RunControl(60_000)
  const fenced = fencedStore(store, () => control.check())
  const held = heldRecord(fenced, () => control.lose())
  const environment: RunEnvironment = {
    openStore: async () => store,
    openSource: async () => source(),
    queue: async () => workers(fenced),
    model: async () => ({ network: getNetwork('googlenet'), weightsSha256: '0'.repeat(64) }),
    preparationVersion: 'test',
    versions: {},
    now: () => new Date(0),
    newId: () => 'not asked for',
  }
  await claimRun(fenced, 'extract-job')
  const asked = await askedRun(job(), held, opened)
  const run = { id: 'extract-job', store: held, signal: control.signal, opened: asked.opened }
  return execute(inferenceSteps(asked.spec as ExtractSpec, { ...run, environment }), run, () => environment.now())
}

/** A store whose `number`th put of the record, from 1, waits for `meanwhile` before it is sent. */
function holdingBack(store: Store, number: number, meanwhile: () => Promise<void>): Store {
  let puts = 0
  return {
    ...fencedStore(store, () => undefined),
    async put(key, bytes, options) {
      if (key === runPath && ++puts === number) await meanwhile()
      return store.put(key, bytes, options)
    },
  }
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-taken-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe.each(['file', 's3'] as const)('two orchestrators at one run, in a store whose versions are those of %s', kind => {
  const open = async (): Promise<Store> => (kind === 's3' ? new MemoryStore() : openStore(await mkdtemp(join(folder, 'out-'))))
  const finished = { state: 'done', planned: true, counts: { images, done: images, failed: 0, parts: 3 } }

  // Its record's first version, that all is planned, and its end.
  it.each([1, 2, 3])('version %i that a frozen one writes arrives once another has finished: nothing of it is left', async number => {
    const store = await open()
    let second: RunRecord | undefined
    let before: RunRecord | undefined
    const frozen = sit(
      holdingBack(store, number, async () => {
        before = await readRunRecord(store)
        second = await sit(store, before !== undefined)
      }),
      false,
    )
    await expect(frozen).rejects.toThrow(RunLost)
    expect(before?.state).toBe([undefined, 'planning', 'running'][number - 1])
    expect(second).toMatchObject(finished)
    expect(await readRunRecord(store)).toEqual(second)
    expect(await store.stat(successPath)).toBeDefined()
  })

  it('the one that takes it up comes as the other finishes: its end stays', async () => {
    const store = await open()
    let end: RunRecord | undefined
    // Stopped before its end, and finished once the claim is under way.
    let finish: () => void = () => undefined
    const claiming = new Promise<void>(resolve => {
      finish = resolve
    })
    let reached: () => void = () => undefined
    const atEnd = new Promise<void>(resolve => {
      reached = resolve
    })
    const first = sit(
      holdingBack(store, 3, async () => {
        reached()
        await claiming
      }),
      false,
    )
    await atEnd
    const second = await sit(
      holdingBack(store, 1, async () => {
        finish()
        end = await first
      }),
      true,
    )
    expect(end).toMatchObject(finished)
    expect(end).not.toHaveProperty('sittings')
    expect(second).toEqual(end)
    expect(await readRunRecord(store)).toEqual(end)
  })
})
