import { mostPhaseWorkers } from '@layermill/contracts'
import { expect, it } from 'vitest'
import { PhaseSums } from './phase-sums.js'

const seconds = { read: 0.1, decode: 0.2, compute: 1.1, write: 0.05, all: 1.3 }

it('adds up what each worker tells, and nothing of parts that were there', () => {
  const sums = new PhaseSums()
  sums.add({ images: 4, failed: 1 })
  expect(sums.list()).toEqual([])
  sums.add({ images: 3, failed: 1, phases: { worker: 'b', seconds } })
  sums.add({ images: 2, failed: 0, phases: { worker: 'a', seconds } })
  sums.add({ images: 4, failed: 0, phases: { worker: 'b', seconds } })
  expect(sums.list()).toEqual([
    { worker: 'a', parts: 1, images: 2, seconds },
    { worker: 'b', parts: 2, images: 8, seconds: { read: 0.2, decode: 0.4, compute: 2.2, write: 0.1, all: 2.6 } },
  ])
})

it('has an exchange only for workers that tell of one', () => {
  const sums = new PhaseSums()
  sums.add({ images: 4, failed: 0, phases: { worker: 'a', seconds } })
  for (let i = 0; i < 2; i++) sums.add({ images: 4, failed: 0, phases: { worker: 'b', seconds: { ...seconds, exchange: 0.3 } } })
  expect(sums.list().map(({ seconds: { exchange } }) => exchange)).toEqual([undefined, 0.6])
})

it('keeps a bounded number of workers apart', () => {
  const sums = new PhaseSums()
  for (let i = 0; i < 3 * mostPhaseWorkers; i++) sums.add({ images: 1, failed: 0, phases: { worker: `w${i}`, seconds } })
  expect(sums.list().length).toBe(mostPhaseWorkers + 1)
  expect(sums.list().reduce((sum, { images }) => sum + images, 0)).toBe(3 * mostPhaseWorkers)
})
