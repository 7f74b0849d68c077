import { expect, it } from 'vitest'
import { memoryLimit } from './memory.js'

it('the limit of the control group counts where it is below the memory of the machine', () => {
  expect(memoryLimit(2 ** 30, 2 ** 34)).toBe(2 ** 30)
  expect(memoryLimit(2 ** 40, 2 ** 34)).toBe(2 ** 34)
})

it('no limit is all of the memory, in each way that systems say so', () => {
  for (const none of [undefined, 0, 2 ** 63, 2 ** 64, Number.NaN]) expect(memoryLimit(none, 2 ** 34)).toBe(2 ** 34)
})

it('is a size of this process', () => {
  expect(memoryLimit()).toBeGreaterThan(2 ** 26)
})
