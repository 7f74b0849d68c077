import { expect, it } from 'vitest'
import { formatBytes, formatCount, formatMagnitude, formatPlural, formatSeconds, formatTable } from './format.js'

it('writes bytes, counts and seconds for people', () => {
  expect([0, 999, 1000, 8192, 802_816, 999_999, 5e9].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1 kB',
    '8.19 kB',
    '803 kB',
    '1 MB',
    '5 GB',
  ])
  expect(formatCount(1_234_567.2)).toBe('1,234,567')
  expect([0, 1, 1250].map(count => formatPlural(count, 'image'))).toEqual(['0 images', '1 image', '1,250 images'])
  expect([12, 25_557_096, 7.72e9].map(formatMagnitude)).toEqual(['12', '25.6 M', '7.72 G'])
  expect([0.42, 12.2, 200, 7500, 273_600, Infinity].map(formatSeconds)).toEqual([
    '0.4 s',
    '12 s',
    '3 min 20 s',
    '2 h 5 min',
    '3 d 4 h',
    'unknown',
  ])
})

it('aligns columns', () => {
  expect(
    formatTable(
      ['layer', '>bytes'],
      [
        ['pool5', '8192'],
        ['fc6', '40'],
      ],
    ),
  ).toBe('layer  bytes\npool5   8192\nfc6       40')
})

it('keeps a cell in its line', () => {
  expect(formatTable(['image', '>n'], [['a\nb\u001b[2J', '1']])).toBe(`image          n\n${String.raw`a\nb\u001b[2J`}  1`)
})
