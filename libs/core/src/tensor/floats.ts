/** Little-endian numbers of other widths, as float32. The machine is little-endian (every platform that Node.js's engines here run on). */

/** IEEE 754 half precision bits to a float32 bit pattern. */
function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >>> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13)
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13)
  if (fraction === 0) return sign
  // A subnormal half is a normal float: shift the fraction until its leading one is implicit.
  const shift = Math.clz32(fraction) - 21
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)
}

function widen(bytes: Uint8Array, count: number, toBits: (half: number) => number): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const bits = new Uint32Array(count)
  for (let i = 0; i < count; i++) bits[i] = toBits(view.getUint16(2 * i, true))
  return new Float32Array(bits.buffer)
}

export function halfToFloat(bytes: Uint8Array): Float32Array {
  return widen(bytes, bytes.length / 2, halfToFloatBits)
}

/** bfloat16 is the upper half of a float32. */
export function bfloatToFloat(bytes: Uint8Array): Float32Array {
  return widen(bytes, bytes.length / 2, bits => bits << 16)
}

export function doubleToFloat(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const data = new Float32Array(bytes.length / 8)
  for (let i = 0; i < data.length; i++) data[i] = view.getFloat64(8 * i, true)
  return data
}

/** Signed 64-bit integers; only small ones (counters) are exact. */
export function int64ToFloat(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const data = new Float32Array(bytes.length / 8)
  for (let i = 0; i < data.length; i++) data[i] = Number(view.getBigInt64(8 * i, true))
  return data
}
