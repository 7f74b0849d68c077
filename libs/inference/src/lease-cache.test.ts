import { expect, it } from 'vitest'
import { LeaseCache } from './lease-cache.js'

function setUp(capacity: number) {
  const dropped: string[] = []
  const made: string[] = []
  const cache = new LeaseCache<string>(
    capacity,
    async value => void dropped.push(value),
    value => value.length,
  )
  const lease = (key: string) => cache.lease(key, async () => (made.push(key), key))
  return { cache, dropped, made, lease }
}

it('makes a value once and drops the one used longest ago', async () => {
  const { lease, made, dropped } = setUp(2)
  for (const key of ['a', 'b', 'a', 'c']) (await lease(key)).done()
  expect(made).toEqual(['a', 'b', 'c'])
  expect(dropped).toEqual(['b'])
})

it('never drops a value in use, and drops it when room is needed afterwards', async () => {
  const { lease, dropped } = setUp(1)
  const a = await lease('a')
  const b = await lease('b')
  expect(dropped).toEqual([])
  a.done()
  a.done()
  await Promise.resolve()
  expect(dropped).toEqual(['a'])
  b.done()
  expect(dropped).toEqual(['a'])
})

it('does not keep a failure', async () => {
  const { cache, lease } = setUp(1)
  await expect(cache.lease('a', async () => Promise.reject(new Error('no memory')))).rejects.toThrow('no memory')
  expect((await lease('a')).value).toBe('a')
})

it('clears all', async () => {
  const { cache, lease, dropped } = setUp(3)
  await lease('a')
  await lease('b')
  await cache.clear()
  expect(dropped).toEqual(['a', 'b'])
})

it('shrinks to a number of bytes by dropping what nobody uses, oldest first', async () => {
  const { cache, lease, dropped } = setUp(9)
  for (const key of ['aaaa', 'bbb', 'cc']) (await lease(key)).done()
  const used = await lease('aaaa')
  ;(await lease('d')).done()
  expect(cache.bytes).toBe(10)
  await cache.shrinkTo(7)
  expect(dropped).toEqual(['bbb'])
  await cache.shrinkTo(0)
  expect(dropped).toEqual(['bbb', 'cc', 'd'])
  expect(cache.bytes).toBe(4)
  used.done()
  await cache.shrinkTo(4)
  expect(dropped).toHaveLength(3)
})
