/** float32 to bfloat16 (its upper half), rounded to the nearest, ties to even; NaN stays NaN, overflow becomes infinity. */
export function toBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const halves = new Uint16Array(values.length)
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i] ?? 0
    const isNaN = (value & 0x7fff_ffff) > 0x7f80_0000
    // A NaN whose upper half is zero would turn into infinity: its quiet bit is set.
    halves[i] = isNaN ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16
  }
  return halves
}

/** bfloat16 to float32, exactly. */
export function fromBfloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] ?? 0) << 16
  return new Float32Array(bits.buffer)
}
