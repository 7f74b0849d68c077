import { expect, it } from 'vitest'
import { Turns } from './turns.js'

/** The rows that have been let in, in order. */
function watch(turns: Turns, weights: readonly number[]): number[] {
  const entered: number[] = []
  weights.forEach((weight, turn) => void turns.enter(turn, weight).then(() => entered.push(turn)))
  return entered
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await Promise.resolve()
}

it('lets rows in while there is room, and the one that is waited for always', async () => {
  const turns = new Turns(10)
  const entered = watch(turns, [4, 4, 4, 100, 1])
  await settled()
  expect(entered).toEqual([0, 1, 4])
  turns.take()
  await settled()
  expect(entered).toEqual([0, 1, 4, 2])
  turns.take()
  turns.take()
  await settled()
  // Larger than everything: alone before those behind it, as it is next.
  expect(entered).toEqual([0, 1, 4, 2, 3])
})

it('goes on where rows that held nothing are taken', async () => {
  const turns = new Turns(1)
  const entered = watch(turns, [5])
  turns.take()
  turns.take()
  await turns.enter(2, 50)
  expect(entered).toEqual([0])
})
