import { expect, it } from 'vitest'
import { RecentBlocks } from './recent-blocks.js'

it('reads once for all who ask, and drops what was asked for longest ago', async () => {
  const blocks = new RecentBlocks<string>(100)
  const reads: string[] = []
  const get = (key: string): Promise<string | undefined> => blocks.get(key, 40, async () => (reads.push(key), key))
  expect(await Promise.all([get('a'), get('a'), get('b')])).toEqual(['a', 'a', 'b'])
  await get('a')
  await get('c')
  expect(reads).toEqual(['a', 'b', 'c'])
  await get('a')
  await get('b')
  expect(reads).toEqual(['a', 'b', 'c', 'b'])
})

it('keeps neither what is not there nor what could not be read', async () => {
  const blocks = new RecentBlocks<string>(100)
  expect(await blocks.get('a', 40, async () => undefined)).toBeUndefined()
  await expect(blocks.get('a', 40, async () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await blocks.get('a', 40, async () => 'there now')).toBe('there now')
})
