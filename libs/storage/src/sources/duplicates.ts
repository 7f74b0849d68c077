import { LayermillError } from '@layermill/core'

/** A key and the line of the list it stands on. */
export interface KeyLine {
  readonly key: string
  readonly line: number
}

/** Filter memory: one bit for each byte of the list, so at least several bits for each key, within these bounds. */
const fewestBits = 2 ** 16
const mostBits = 2 ** 29
const hashes = 7
/** Keys the filter could not rule out are looked at exactly once this many are held. */
const mostSuspects = 100_000
const mostReported = 5

/** A Bloom filter over keys: says `false` only for keys it has certainly not seen. */
class BloomFilter {
  private readonly words: Uint32Array
  private readonly mask: number

  constructor(bits: number) {
    this.words = new Uint32Array(bits / 32)
    this.mask = bits - 1
  }

  /** Adds a key; true where it may have been there before. */
  add(key: string): boolean {
    let first = 0x811c9dc5
    let second = 0x9747b28c
    for (let index = 0; index < key.length; index++) {
      const unit = key.charCodeAt(index)
      first = Math.imul(first ^ unit, 0x01000193)
      second = Math.imul(second ^ unit, 0x5bd1e995)
      second ^= second >>> 15
    }
    first ^= first >>> 16
    const step = second | 1
    let known = true
    for (let hash = 0; hash < hashes; hash++) {
      const bit = (Math.imul(hash, step) + first) & this.mask
      const word = bit >>> 5
      const flag = 1 << (bit & 31)
      const value = this.words[word] ?? 0
      if ((value & flag) === 0) {
        known = false
        this.words[word] = value | flag
      }
    }
    return known
  }
}

/**
 * Reads a list and refuses it where a key stands on two lines. Memory does not grow with the number of keys: a filter finds the few that
 * may be there twice, and a second reading looks at those alone.
 *
 * @param read opens the list from its start, each time it is called
 * @throws LayermillError `LIST_DUPLICATE` with the lines, and whatever `read` throws
 */
export async function refuseDuplicates(read: () => AsyncIterable<KeyLine>, listBytes: number, name: string): Promise<void> {
  const bits = 2 ** Math.ceil(Math.log2(Math.min(mostBits, Math.max(fewestBits, listBytes))))
  const filter = new BloomFilter(bits)
  let suspects = new Set<string>()
  for await (const { key, line } of read()) {
    if (filter.add(key)) suspects.add(key)
    if (suspects.size < mostSuspects) continue
    await lookExactly(read, suspects, line, name)
    suspects = new Set()
  }
  if (suspects.size > 0) await lookExactly(read, suspects, Infinity, name)
}

async function lookExactly(
  read: () => AsyncIterable<KeyLine>,
  suspects: ReadonlySet<string>,
  lastLine: number,
  name: string,
): Promise<void> {
  const lines = new Map<string, number>()
  const found: string[] = []
  let count = 0
  for await (const { key, line } of read()) {
    if (line > lastLine) break
    if (!suspects.has(key)) continue
    const first = lines.get(key)
    if (first === undefined) {
      lines.set(key, line)
      continue
    }
    count++
    if (found.length < mostReported) found.push(`${JSON.stringify(key)} (lines ${first} and ${line})`)
  }
  if (count === 0) return
  const more = count > found.length ? ` and ${count - found.length} more` : ''
  throw new LayermillError('LIST_DUPLICATE', `${name} names the same image more than once: ${found.join(', ')}${more}`, {
    hint: 'Each image has one row of results: remove the repeated lines.',
  })
}
