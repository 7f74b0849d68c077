import { expect, it } from 'vitest'
import type { SourceItem } from '@layermill/storage'
import { sampleImages } from './sample.js'

async function* listed(keys: readonly string[]): AsyncGenerator<SourceItem> {
  for (const key of keys) yield { key, etag: '', bytes: 1 }
}

const keys = Array.from({ length: 500 }, (_, i) => `image-${i}.jpg`)
const keysOf = (items: readonly SourceItem[]): string[] => items.map(({ key }) => key)

it('takes the same images however they are listed, and others to compare on', async () => {
  const sample = await sampleImages(listed(keys), 8)
  const turned = await sampleImages(listed(keys.toReversed()), 8)
  expect(keysOf(sample.chosen)).toHaveLength(8)
  expect(keysOf(turned.chosen)).toEqual(keysOf(sample.chosen))
  expect(keysOf(turned.others)).toEqual(keysOf(sample.others))
  expect(new Set(keysOf([...sample.chosen, ...sample.others])).size).toBe(16)
  expect(keysOf(sample.chosen).toSorted()).not.toEqual(keys.slice(0, 8).toSorted())
})

it('takes all where there are few', async () => {
  const sample = await sampleImages(listed(keys.slice(0, 10)), 8)
  expect([sample.chosen.length, sample.others.length]).toEqual([8, 2])
  const fewer = await sampleImages(listed(keys.slice(0, 5)), 8)
  expect([fewer.chosen.length, fewer.others.length]).toEqual([5, 0])
})
