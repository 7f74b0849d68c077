import { createHash } from 'node:crypto'

/**
 * A small random number generator: xoshiro128** 1.1 by David Blackman and Sebastiano Vigna (https://prng.di.unimi.it, public domain),
 * its 128 bits of state being the first of SHA-256 of the key, or given as four words that are not all 0. The same key gives the same
 * numbers on every machine.
 */
export class Random {
  private readonly state: Uint32Array

  constructor(key: string | readonly [number, number, number, number]) {
    if (typeof key !== 'string') {
      this.state = Uint32Array.from(key)
      return
    }
    const digest = createHash('sha256').update(key).digest()
    this.state = Uint32Array.from([0, 4, 8, 12], at => digest.readUInt32LE(at))
    // All zeros is the one state it never leaves.
    if (this.state.every(word => word === 0)) this.state[0] = 1
  }

  /** A whole number below 2^32. */
  uint32(): number {
    const s = this.state
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0
    const shifted = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= shifted
    s[3] = rotate(s[3]!, 11)
    return result
  }

  /** A number in [0, 1), a multiple of 2^-32. */
  next(): number {
    return this.uint32() / 2 ** 32
  }

  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.next()
  }

  /** A whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.next() * count)
  }
}

function rotate(value: number, bits: number): number {
  return ((value << bits) | (value >>> (32 - bits))) >>> 0
}
