/** Seeded random numbers that depend on names, never on how many were drawn before elsewhere. */
import { fillSfc32, fnv1a32, lowbias32 } from '@layermill/core'

const twoToMinus32 = 1 / 4294967296
const goldenRatio = 0x9e3779b9 | 0

/** A stream of random numbers. */
export interface Random {
  /** Uniform in [0, 1), a multiple of 2^-32. */
  next(): number
  /** A uniform integer in [0, bound), bound <= 2^32. */
  integer(bound: number): number
  /** Normally distributed, mean 0, standard deviation 1. */
  normal(): number
}

/** A 32-bit hash of a text's UTF-8 bytes (FNV-1a, finalised), unsigned. */
export function hashText(text: string, seed = 0): number {
  return lowbias32(fnv1a32(text, lowbias32(seed)))
}

/** Numbers made at once; the first are thrown away. */
const blockLength = 64
const thrownAway = 12

/** Unsigned numbers of sfc32 from three words. */
function sfc32(...words: readonly [number, number, number]): () => number {
  const state = Int32Array.of(...words, 1)
  const block = new Int32Array(blockLength)
  fillSfc32(state, block.subarray(0, thrownAway))
  let used = blockLength
  return () => {
    if (used === blockLength) {
      fillSfc32(state, block)
      used = 0
    }
    return block[used++]! >>> 0
  }
}

/**
 * The stream of a list of names and numbers: `seededRandom(seed, 'dropout', key, step)`. The same list gives the same stream on every
 * machine; lists that differ anywhere give unrelated streams.
 */
export function seededRandom(...parts: readonly (string | number)[]): Random {
  const text = JSON.stringify(parts)
  const next = sfc32(hashText(text, 1), hashText(text, 2), hashText(text, goldenRatio))
  const uniform = (): number => next() * twoToMinus32
  let spare: number | undefined
  return {
    next: uniform,
    integer: bound => Math.floor(uniform() * bound),
    normal() {
      if (spare !== undefined) {
        const value = spare
        spare = undefined
        return value
      }
      // Box and Muller; 1 - u is never 0.
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
      const angle = 2 * Math.PI * uniform()
      spare = radius * Math.sin(angle)
      return radius * Math.cos(angle)
    },
  }
}

/** A random order of the same items (Fisher and Yates), in a new array. */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.integer(i + 1)
    const item = result[i]!
    result[i] = result[j]!
    result[j] = item
  }
  return result
}
