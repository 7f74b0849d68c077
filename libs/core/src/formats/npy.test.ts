import { expect, it } from 'vitest'
import { npyHeader, npyPlaces } from './npy.js'

it.each([
  [[], '()'],
  [[3], '(3,)'],
  [[3, 2], '(3, 2)'],
])('writes the shape %j as NumPy does', (shape, tuple) => {
  const header = npyHeader('<f4', shape)
  expect(header.length % 64).toBe(0)
  expect(header.toString('latin1', 10).trimEnd()).toBe(`{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`)
  expect(header.at(-1)).toBe(0x0a)
  expect(npyPlaces(header)).toEqual({ major: 1, dictionary: 10, data: header.length })
})

it('writes a header of a length that is given', () => {
  const header = npyHeader('<f2', [1, 7], 128)
  expect(header).toHaveLength(128)
  expect(npyPlaces(header)?.data).toBe(128)
})

it('reads the longer length of later versions', () => {
  const first = Buffer.concat([Buffer.from('\x93NUMPY\x02\x00', 'latin1'), Buffer.from([0x74, 0x01, 0x00, 0x00])])
  expect(npyPlaces(first)).toEqual({ major: 2, dictionary: 12, data: 12 + 0x174 })
})

it('knows what is no array', () => {
  expect(npyPlaces(Buffer.from('\x93NUMPY\x01\x00', 'latin1'))).toBeUndefined()
  expect(npyPlaces(Buffer.alloc(64))).toBeUndefined()
})
