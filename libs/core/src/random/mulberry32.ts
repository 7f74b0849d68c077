/**
 * Numbers in [0, 1), multiples of 2^-32: mulberry32 by Tommy Ettinger (public domain), the same ones for the same seed on every machine.
 * Its 32 bits of state are enough for pictures and test data; weights and training draw from `Random` and `RandomStream`.
 */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
