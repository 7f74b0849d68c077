import { expect, it } from 'vitest'
import { float32Text } from './export-file.js'

it('is a short text that reads back as the same float32', () => {
  expect([0, 0.1, 1 / 3, 1.5, -2.25e-8, 16777217, 3.4028235e38, 1e-45].map(value => float32Text(Math.fround(value)))).toEqual([
    '0',
    '0.1',
    '0.33333334',
    '1.5',
    '-2.25e-8',
    '16777216',
    '3.4028235e+38',
    '1.4013e-45',
  ])
})
