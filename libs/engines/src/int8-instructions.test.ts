import { expect, it } from 'vitest'
import { parseInt8Instructions } from './int8-instructions.js'

it.each([
  ['processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni\n', true],
  ['flags\t\t: fpu avx2 avx_vnni\n', true],
  ['flags\t\t: fpu avx2 avx512f\n', false],
  ['Features\t: fp asimd asimddp\n', true],
  ['Features\t: fp asimd\n', false],
  ['', undefined],
])('reads what the CPU can from %j', (cpuinfo, expected) => {
  expect(parseInt8Instructions(cpuinfo)).toBe(expected)
})
