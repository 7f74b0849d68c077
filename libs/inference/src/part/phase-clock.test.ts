import { expect, it } from 'vitest'
import { PhaseClock } from './phase-clock.js'

it('counts a phase once however many images are in it, and each span of it once', () => {
  let now = 0
  const clock = new PhaseClock(() => now)
  clock.start('all')
  clock.start('read')
  now = 1000
  clock.start('read')
  clock.start('decode')
  now = 3000
  clock.stop('read')
  clock.stop('read')
  now = 4000
  expect(clock.take()).toEqual({ read: 3, decode: 3, compute: 0, write: 0, all: 4 })
  now = 4500
  clock.stop('decode')
  now = 6000
  clock.stop('all')
  now = 7000
  expect(clock.take()).toEqual({ read: 0, decode: 0.5, compute: 0, write: 0, all: 2 })
  expect(clock.take()).toEqual({ read: 0, decode: 0, compute: 0, write: 0, all: 0 })
})

it('tells of an exchange where there was one', () => {
  let now = 0
  const clock = new PhaseClock(() => now)
  clock.start('exchange')
  now = 500
  clock.stop('exchange')
  expect(clock.take()).toEqual({ read: 0, decode: 0, compute: 0, exchange: 0.5, write: 0, all: 0 })
})

it('ends a phase whose work fails', async () => {
  let now = 0
  const clock = new PhaseClock(() => now)
  const work = async (): Promise<never> => {
    now = 2000
    throw new Error('no engine')
  }
  await expect(clock.during('compute', work)).rejects.toThrow('no engine')
  now = 9000
  expect(clock.take().compute).toBe(2)
})
