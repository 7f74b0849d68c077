import { editDistance } from './names.js'

/** The candidate most like `word` (case, `-` and `_` left aside), or undefined where none is near enough to be a slip. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replace(/[-_\s]/g, '')
  // A long key is never a slip for a short one; cutting it keeps hostile input cheap.
  const wanted = plain(word.slice(0, 64))
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(wanted, plain(candidate))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}
