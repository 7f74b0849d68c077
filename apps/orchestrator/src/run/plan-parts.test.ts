import { expect, it } from 'vitest'
import { cutParts } from './plan-parts.js'

async function* rows(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i
}

it.each([
  [0, []],
  [3, [3]],
  [4, [4]],
  [9, [4, 4, 1]],
] as const)('cuts %d rows', async (count, sizes) => {
  const parts: { part: number; rows: readonly number[] }[] = []
  for await (const part of cutParts(rows(count), 4, 7)) parts.push(part)
  expect(parts.map(part => part.rows.length)).toEqual(sizes)
  expect(parts.map(({ part }) => part)).toEqual(sizes.map((_, i) => 7 + i))
  expect(parts.flatMap(part => part.rows)).toEqual(Array.from({ length: count }, (_, i) => i))
})
