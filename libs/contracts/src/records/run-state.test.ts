import { expect, it } from 'vitest'
import { hasEnded, runStates } from './run-state.js'

it('tells runs that have ended from those that go on or were interrupted', () => {
  expect(runStates.filter(hasEnded)).toEqual(['done', 'failed', 'cancelled'])
  expect(runStates.filter(state => !hasEnded(state))).toEqual(['planning', 'running'])
})
