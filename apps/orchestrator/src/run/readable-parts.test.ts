import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commitPath } from '@layermill/contracts'
import { encodeCommit, openStore } from '@layermill/storage'
import { expect, it } from 'vitest'
import { readableParts } from './readable-parts.js'

it('has each image once while an update replaces parts: the old ones until all new ones are there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-parts-'))
  const store = openStore(folder)
  const commit = (part: number): Promise<boolean> => store.put(commitPath(part), encodeCommit({ part, images: 1, failed: 0, files: [] }))
  try {
    expect(await readableParts(store)).toEqual([])
    for (const part of [0, 1, 100_000, 2]) await commit(part)
    expect(await readableParts(store)).toEqual([0, 1, 2, 100_000])
    await store.put(
      'manifest/update.json',
      JSON.stringify({
        parts: [
          { part: 100_001, images: 1 },
          { part: 100_002, images: 1 },
        ],
        retire: [1],
      }),
    )
    await commit(100_001)
    expect(await readableParts(store)).toEqual([0, 1, 2, 100_000])
    await commit(100_002)
    expect(await readableParts(store)).toEqual([0, 2, 100_000, 100_001, 100_002])
    await store.delete(commitPath(1))
    await store.delete('manifest/update.json')
    expect(await readableParts(store)).toEqual([0, 2, 100_000, 100_001, 100_002])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
