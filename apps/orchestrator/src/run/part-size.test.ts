import { expect, it } from 'vitest'
import { choosePartSize } from './part-size.js'

it('cuts parts of 512 images, smaller ones where results are large', () => {
  expect(choosePartSize('auto', 2048 * 4)).toBe(512)
  expect(choosePartSize('auto', 64 * 224 * 224 * 4)).toBe(1)
  expect(choosePartSize('auto', 100 * 1024)).toBe(163)
  expect(choosePartSize('auto', 2 ** 31)).toBe(1)
  expect(choosePartSize(1000, 2 ** 31)).toBe(1000)
})
