/** FNV-1a over the UTF-8 bytes of a text, as an unsigned 32-bit number. Another seed than 0 gives another hash of the same text. */
export function fnv1a32(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** The `lowbias32` integer hash on unsigned 32 bits. */
export function lowbias32(value: number): number {
  let x = value
  x ^= x >>> 16
  x = Math.imul(x, 0x7feb352d)
  x ^= x >>> 15
  x = Math.imul(x, 0x846ca68b)
  x ^= x >>> 16
  return x >>> 0
}
