import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ImageSource, openStore, readManifest, type SourceItem } from '@layermill/storage'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { planManifest, writeManifest } from './manifest-plan.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-plan-'))
})
afterAll(async () => rm(folder, { recursive: true }))

const itemOf = (i: number): SourceItem => ({ key: String(i).padStart(3, '0'), etag: 'e', bytes: 1 })

/** Images 0 to `count`, every `step`th. */
function sourceOf(count: number, step = 1): ImageSource {
  return {
    url: 'test',
    kind: 'folder',
    async *items({ after = '' } = {}) {
      for (let i = 0; i < count; i += step) if (itemOf(i).key > after) yield itemOf(i)
    },
    read: async () => new Uint8Array(),
    close: async () => {},
    [Symbol.asyncDispose]: async () => undefined,
  }
}

it('accepts parts that another orchestrator wrote meanwhile, equal or not, and goes on behind them', async () => {
  const store = openStore(join(folder, 'run'))
  const first = planManifest(store, sourceOf(50), 10, false)
  expect((await first.next()).value).toEqual({ part: 0, images: 10 })
  await writeManifest(
    store,
    1,
    Array.from({ length: 10 }, (_, i) => itemOf(10 + i)),
  )
  await writeManifest(store, 2, [20, 22, 24].map(itemOf))
  const rest: unknown[] = []
  for await (const job of first) rest.push(job)
  expect(rest).toEqual([
    { part: 1, images: 10 },
    { part: 2, images: 3 },
    { part: 3, images: 10 },
    { part: 4, images: 10 },
    { part: 5, images: 5 },
  ])
  expect((await readManifest(store, 2)).map(({ key }) => key)).toEqual(['020', '022', '024'])
  expect((await readManifest(store, 3))[0]?.key).toBe('025')

  const again: unknown[] = []
  for await (const job of planManifest(store, sourceOf(0), 10, true)) again.push(job)
  expect(again).toEqual([{ part: 0, images: 10 }, ...rest])
  await store.close()
})
