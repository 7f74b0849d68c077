import { expect, it } from 'vitest'
import { mulberry32 } from './mulberry32.js'

/** By its definition, in whole numbers of any size. */
function defined(seed: bigint, count: number): number[] {
  const low = (value: bigint): bigint => BigInt.asUintN(32, value)
  return Array.from({ length: count }, (_, i) => {
    const state = low(seed + 0x6d2b79f5n * BigInt(i + 1))
    const first = low((state ^ (state >> 15n)) * (state | 1n))
    const second = low(first ^ (first + low((first ^ (first >> 7n)) * (first | 61n))))
    return Number(second ^ (second >> 14n)) / 2 ** 32
  })
}

it.each([0, 1, 20_260_101, 2 ** 32 - 1])('is mulberry32 from the seed %i', seed => {
  const random = mulberry32(seed)
  expect([random(), random(), random()]).toEqual(defined(BigInt(seed), 3))
})
