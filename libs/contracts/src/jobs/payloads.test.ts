import { expect, it } from 'vitest'
import { makePayload, payloadLimit, readPayload } from './payloads.js'

const part = { v: 1, run: 'r1', store: 's3://bucket/out', part: 3 } as const

it('makes and reads payloads', () => {
  expect(makePayload('part', part)).toEqual({ ...part, generation: 0 })
  expect(readPayload('gradient', { v: 1, run: 'r', store: '/out', step: 1, micro: 2, version: 3 })).toMatchObject({ micro: 2 })
  expect(readPayload('run', { v: 1, run: 'r', store: '/out' })).toMatchObject({ run: 'r' })
})

it.each([
  [undefined],
  [null],
  ['text'],
  [[]],
  [{}],
  [{ ...part, v: 2 }],
  [{ ...part, part: -1 }],
  [{ ...part, part: 1.5 }],
  [{ ...part, run: '' }],
  [{ ...part, images: [] }],
  [{ ...part, only: [1] }],
  [{ ...part, part: '3' }],
])('refuses %j', data => {
  expect(() => readPayload('part', data)).toThrow(/^part job: /)
})

it('says which version it expected', () => {
  expect(() => readPayload('part', { ...part, v: 2 })).toThrow('part job: v: got 2, expected one of 1')
})

it('keeps payloads small and free of credentials', () => {
  expect(() => makePayload('part', { ...part, store: 'x'.repeat(4096), run: 'r'.repeat(200) })).not.toThrow()
  expect(() => readPayload('part', { ...part, store: 'x'.repeat(payloadLimit) })).toThrow(/expected at most 16384/)
  expect(() => makePayload('part', { ...part, store: 's3://key:secret@bucket/out' })).toThrow(
    /^part job: store: got "s3:\/\/\*\*\*@bucket\/out"/,
  )
})
