/** For tests: damage to files. */
import type { RandomStream } from '@layermill/core'

/** An integer in [0, limit). */
export const below = (stream: RandomStream, limit: number): number => Math.floor(stream.uniform() * limit)

/** A copy with one to four bytes changed, mostly in the first and last kilobyte, where the structure is. */
export function mutate(bytes: Buffer, stream: RandomStream): Buffer {
  const mutated = Buffer.from(bytes)
  for (let i = below(stream, 4); i >= 0; i--) {
    const at = stream.uniform() < 0.8 ? below(stream, Math.min(1024, bytes.length)) : below(stream, bytes.length)
    const position = stream.uniform() < 0.5 ? at : bytes.length - 1 - at
    mutated[position] = stream.uniform() < 0.3 ? 255 : below(stream, 256)
  }
  return mutated
}

/** A copy that is changed, cut off, or has a piece of it moved, doubled, or taken out. */
export function damage(bytes: Buffer, stream: RandomStream): Buffer {
  const [from, to, at] = [0, 0, 0].map(() => below(stream, bytes.length + 1)) as [number, number, number]
  const piece = bytes.subarray(Math.min(from, to), Math.min(from, to) + below(stream, 256))
  switch (below(stream, 8)) {
    case 0:
      return bytes.subarray(0, at)
    case 1:
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + piece.length))])
    case 3: {
      const mutated = Buffer.from(bytes)
      mutated.set(piece.subarray(0, bytes.length - Math.min(at, bytes.length)), Math.min(at, bytes.length))
      return mutated
    }
    default:
      return mutate(bytes, stream)
  }
}
