import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { outageNotes } from './outage-notes.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('tells of an outage when it begins and when it is over, and of the next one again', () => {
  const notes: string[] = []
  const onError = outageNotes(text => notes.push(text), 1000)
  for (let i = 0; i < 20; i++) {
    onError(new Error('connect ECONNREFUSED'))
    vi.advanceTimersByTime(900)
  }
  expect(notes).toEqual(['queue: connect ECONNREFUSED; further errors are counted until it is back'])
  vi.advanceTimersByTime(1000)
  expect(notes[1]).toBe('queue: no error for 1 s, after 20')
  onError(new Error('read ECONNRESET'))
  vi.advanceTimersByTime(1000)
  expect(notes.slice(2)).toEqual([
    'queue: read ECONNRESET; further errors are counted until it is back',
    'queue: no error for 1 s, after 1',
  ])
})
