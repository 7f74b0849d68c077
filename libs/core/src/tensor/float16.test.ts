import { describe, expect, it } from 'vitest'
import { fromFloat16, toFloat16 } from './float16.js'

const half = (value: number): number => {
  const bits = new Uint16Array(1)
  toFloat16(Float32Array.of(value), bits)
  return bits[0] ?? 0
}

describe('float16', () => {
  it('holds every half exactly', () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, index) => index)
    const values = fromFloat16(all)
    const back = new Uint16Array(all.length)
    toFloat16(values, back)
    for (let bits = 0; bits < 65_536; bits++) {
      const isNaN = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0
      if (isNaN) expect(Number.isNaN(values[bits])).toBe(true)
      else if (back[bits] !== bits) expect(back[bits]).toBe(bits)
    }
    const few = fromFloat16(all.subarray(0x7bf0, 0x8010))
    expect([...few]).toEqual([...values.subarray(0x7bf0, 0x8010)])
    expect(values[0x3c00]).toBe(1)
    expect(values[0x0001]).toBe(2 ** -24)
    expect(values[0x7bff]).toBe(65_504)
    expect(Object.is(values[0x8000], -0)).toBe(true)
  })

  it('rounds to the nearest, halves to even, between any two neighbours', () => {
    // Between each finite half and the next: below the middle down, above it up, in the middle to the even one.
    const below = (value: number): number => fround(value * (1 - 2 ** -23))
    const above = (value: number): number => fround(value * (1 + 2 ** -23))
    const fround = Math.fround
    const wrong: number[] = []
    const halves = fromFloat16(Uint16Array.from({ length: 0x7c00 }, (_, index) => index))
    for (let bits = 0; bits < 0x7bff; bits++) {
      const middle = ((halves[bits] ?? 0) + (halves[bits + 1] ?? 0)) / 2
      const even = bits % 2 === 0 ? bits : bits + 1
      if (half(middle) !== even || half(below(middle)) !== bits || half(above(middle)) !== bits + 1 || half(-middle) !== (even | 0x8000))
        wrong.push(bits)
    }
    expect(wrong).toEqual([])
  })

  it('becomes infinite from 65520 up, and keeps NaN', () => {
    expect(half(65_519.99)).toBe(0x7bff)
    expect(half(65_520)).toBe(0x7c00)
    expect(half(-1e30)).toBe(0xfc00)
    expect(half(Infinity)).toBe(0x7c00)
    expect(half(NaN)).toBe(0x7e00)
    expect(half(1e-30)).toBe(0)
    expect(half(-1e-30)).toBe(0x8000)
  })
})
