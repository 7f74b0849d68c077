import { plainProduct } from '@layermill/analysis'
import { indexPath } from '@layermill/contracts'
import { Random } from '@layermill/core'
import { createPartWriter, encodeIndex, type IndexRow } from '@layermill/storage'
import { MemoryStore } from '@layermill/storage/testing'
import { expect, it } from 'vitest'
import { runDrift } from './drift.js'
import type { FeatureSet } from './feature-set.js'

/** Features of a run in two parts: sums of uniform numbers around a place, the same for the same seed. */
async function setOf(seed: string, rows: number, columns: number, place = 0): Promise<FeatureSet> {
  const store = new MemoryStore()
  const random = new Random(seed)
  const value = (): number => (random.below(1000) + random.below(1000) + random.below(1000)) / 1000 - 1.5
  for (const part of [0, 1]) {
    const keys = Array.from({ length: rows / 2 }, (_, i) => `${part}-${i}.png`)
    const writer = createPartWriter({ format: 'npy', dtype: 'float32', part, layers: [{ layer: 'fc', rowShape: [columns] }], keys })
    for (const row of keys.keys())
      writer.setRow(
        'fc',
        row,
        Float32Array.from({ length: columns }, value).map(number => number + place),
      )
    for (const { path, bytes } of writer.finish(keys)) await store.put(path, bytes)
    const index = keys.map((key, row): IndexRow => ({ key, part, row, width: 1, height: 1, sha256: 'ab'.repeat(32) }))
    await store.put(indexPath(part), encodeIndex(index))
  }
  const at = { layer: 'fc', format: 'npy', rowShape: [columns] } as const
  return { store, place: at, parts: [0, 1], dimensions: columns } as unknown as FeatureSet
}

it('tells features that have moved from others of the same kind, and refuses what it cannot compare', async () => {
  const reference = await setOf('reference', 80, 6)
  const p = async (fresh: Promise<FeatureSet>): Promise<number> => (await runDrift(await fresh, reference, plainProduct, '0')).p
  expect(await p(setOf('other', 80, 6))).toBeGreaterThan(0.05)
  expect(await p(setOf('moved', 80, 6, 0.6))).toBeLessThan(0.005)
  await expect(p(setOf('few', 18, 6))).rejects.toThrow('drift of 18 images against 80, expected at least 20 of each')
  await expect(p(setOf('wide', 80, 7))).rejects.toThrow('has 6 numbers, 7 in')
})
