import { expect, it } from 'vitest'
import { differences, sameValue } from './differences.js'

it('takes values for the same in whatever order their fields are', () => {
  expect(sameValue({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 })).toBe(true)
  expect(sameValue({ a: 1, b: undefined }, { a: 1 })).toBe(true)
  expect(sameValue([1, 2], [2, 1])).toBe(false)
  expect(sameValue(undefined, null)).toBe(false)
})

it('names what differs, with both values', () => {
  expect(differences({ a: 1, b: { c: 2 }, d: 'x', e: 1 }, { a: 1, b: { c: 3 }, e: 2, f: true }, new Set(['e']))).toEqual([
    'b was c=2, is c=3',
    'd was x, is nothing',
    'f was nothing, is true',
  ])
})

it('says of settings in settings only what differs', () => {
  const before = {
    preparation: { size: { width: 64, height: 64 }, input: { channels: 'bgr', mean: [103, 116, 123], resize: { kind: 'exact' } } },
  }
  const now = {
    preparation: { size: { width: 64, height: 64 }, input: { channels: 'bgr', mean: [104, 117, 123], resize: { kind: 'short' } } },
  }
  expect(differences(before, now)).toEqual([
    'preparation was mean=103,116,123, is mean=104,117,123',
    'preparation was kind=exact, is kind=short',
  ])
})

it('says it in the words of the flags', () => {
  const before = {
    layers: ['res4', 'pool5'],
    weights: 'a'.repeat(64),
    preparation: { size: { width: 64, height: 64 }, autoOrient: false, resample: 'bicubic', decode: 'draft' },
    head: [],
    base: { res5: 1, '*': 0 },
  }
  const now = {
    layers: ['res4'],
    weights: 'b'.repeat(64),
    preparation: { size: { width: 224, height: 224 }, autoOrient: true, resample: 'bicubic' },
    head: [512],
    base: 'frozen',
  }
  expect(differences(before, now)).toEqual([
    'layers was res4,pool5, is res4',
    'weights are others than before',
    'size was 64x64, is 224x224',
    'auto-orient was false, is true',
    'decode was draft, is exact',
    'head was none, is 512',
    'base was res5=1,*=0, is frozen',
  ])
  expect(differences({ seed: 1 }, { seed: '1' })).toEqual(['seed was 1, is "1"'])
})
