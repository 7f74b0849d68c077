import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { comparisonPath } from '@layermill/contracts'
import { openStore } from '@layermill/storage'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readComparison } from './comparison.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-comparison-'))
})
afterAll(() => rm(folder, { recursive: true }))

const pair = (a: string, b: string, debiased: number | null) => ({ a, b, cka: { biased: 0.9, debiased }, rsa: { spearman: 0.5 } })

it('gives matrices of all pairs, like sets beside each other, and the tree that joins them', async () => {
  await using store = openStore(folder)
  await expect(readComparison(store)).rejects.toMatchObject({ code: 'NOT_RECORDED' })
  const sets = ['conv1', '<b>', '__proto__'].map(name => ({ name, place: '/data', rows: 10, columns: 4 }))
  const pairs = [
    ...sets.map(({ name }) => pair(name, name, 1)),
    pair('conv1', '<b>', 0.25),
    pair('conv1', '__proto__', 0.75),
    pair('<b>', '__proto__', null),
  ]
  await store.put(comparisonPath, JSON.stringify({ sets, pairs, matchedBy: 'key' }))
  const { measures, order, joins, sets: shown } = await readComparison(store)
  expect(shown.map(({ name }) => name)).toEqual(['conv1', '<b>', '__proto__'])
  expect(measures.map(({ name }) => name)).toEqual(['cka-debiased', 'cka-biased', 'rsa-spearman'])
  expect(measures[0]!.values).toEqual([
    [1, 0.25, 0.75],
    [0.25, 1, null],
    [0.75, null, 1],
  ])
  expect(order).toEqual([0, 2, 1])
  // An undefined number is no likeness: the mean of 0.75 and 1.
  expect(joins).toEqual([
    { leaves: [0, 1], from: [0, 0], distance: 0.25 },
    { leaves: [0.5, 2], from: [0.25, 0], distance: 0.875 },
  ])
  await store.put(comparisonPath, '{"sets": 3}')
  await expect(readComparison(store)).rejects.toMatchObject({ code: 'NOT_RECORDED' })
})
