/**
 * Rounds float32 values to float16, to the nearest and halves to even, as IEEE 754 and numpy do. Values from 65520 up become infinite,
 * any NaN the quiet one.
 *
 * @param source as many values as `target` takes
 * @param target the bits of the halves
 */
export function toFloat16(source: Float32Array, target: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length)
  // Adding 0.5 to a value below 2^-14 lets the float32 rounding of the sum round it to a multiple of 2^-24, the step of small halves.
  const sum = new Float32Array(1)
  const sumBits = new Uint32Array(sum.buffer)
  for (let index = 0; index < bits.length; index++) {
    const value = bits[index] ?? 0
    const sign = (value >>> 16) & 0x8000
    const magnitude = value & 0x7fffffff
    if (magnitude >= 0x47800000) {
      target[index] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00)
    } else if (magnitude < 0x38800000) {
      sum[0] = Math.abs(source[index] ?? 0) + 0.5
      target[index] = sign | ((sumBits[0] ?? 0) - 0x3f000000)
    } else {
      // 0xc8000000 takes 112 off the exponent; a carry out of the mantissa goes into it, up to infinity.
      target[index] = sign | (((magnitude + 0xc8000fff + ((magnitude >>> 13) & 1)) >>> 13) & 0xffff)
    }
  }
}

const allHalves = 65_536

/** The float32 values of halves; each is represented exactly. */
export function fromFloat16(source: Uint16Array): Float32Array {
  if (source.length < allHalves) return decode(source)
  // For many values, looking each up is several times faster than taking it apart.
  const table = decode(Uint16Array.from({ length: allHalves }, (_, bits) => bits))
  const values = new Float32Array(source.length)
  for (let index = 0; index < source.length; index++) values[index] = table[source[index] ?? 0] ?? 0
  return values
}

function decode(source: Uint16Array): Float32Array {
  const values = new Float32Array(source.length)
  const bits = new Uint32Array(values.buffer)
  for (let index = 0; index < source.length; index++) {
    const half = source[index] ?? 0
    const sign = (half & 0x8000) << 16
    const exponent = (half >>> 10) & 0x1f
    const mantissa = half & 0x3ff
    if (exponent === 0) values[index] = (sign === 0 ? 1 : -1) * mantissa * 2 ** -24
    else bits[index] = sign | (exponent === 31 ? 0x7f800000 : (exponent + 112) << 23) | (mantissa << 13)
  }
  return values
}
