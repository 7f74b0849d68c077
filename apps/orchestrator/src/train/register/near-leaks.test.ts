import { expect, it } from 'vitest'
import { isTooMany } from './near-leaks.js'

it('lets a single pair pass, and a share that natural pictures have', () => {
  expect([isTooMany(1, 9), isTooMany(2, 9), isTooMany(10, 2000), isTooMany(11, 2000)]).toEqual([false, true, false, true])
})
