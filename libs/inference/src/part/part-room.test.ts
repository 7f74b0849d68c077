import { expect, it } from 'vitest'
import { PartRoom } from './part-room.js'

const signal = new AbortController().signal
const settled = async (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), Promise.resolve(false).then(value => value)])

it('lets parts in, in turn, while there is room, and a large one alone', async () => {
  const room = new PartRoom(100)
  const first = await room.enter(60, signal)
  const second = await room.enter(40, signal)
  const large = room.enter(500, signal)
  const small = room.enter(1, signal)
  first()
  first()
  expect(await settled(large)).toBe(false)
  second()
  const leave = await large
  expect(await settled(small)).toBe(false)
  leave()
  expect(typeof (await small)).toBe('function')
})

it('gives up a place that is waited for no more', async () => {
  const room = new PartRoom(100)
  const first = await room.enter(90, signal)
  const stop = new AbortController()
  const large = room.enter(500, stop.signal)
  const small = room.enter(10, signal)
  stop.abort(new Error('stopped'))
  await expect(large).rejects.toThrow('stopped')
  await small
  first()
  await expect(room.enter(1, AbortSignal.abort(new Error('late')))).rejects.toThrow('late')
})
