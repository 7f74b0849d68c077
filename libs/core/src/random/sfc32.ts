/**
 * Fills `target` with the next 32-bit patterns of sfc32 (Doty-Humphrey; 128 bits of state, period at least 2^32) and moves its state on:
 * three words and a counter, which starts at 1. Its first dozen of numbers depend little on each other's words and are thrown away by
 * those who seed it. The state lives in locals meanwhile, which is what makes this fast.
 */
export function fillSfc32(state: Int32Array, target: Int32Array): void {
  let [a, b, c, counter] = state as unknown as [number, number, number, number]
  for (let i = 0; i < target.length; i++) {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    target[i] = sum
  }
  state.set([a, b, c, counter])
}
