import { LayermillError } from '@layermill/core'

/** The index of the first UTF-16 unit in which two strings differ. */
function firstDifference(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  let index = 0
  while (index < length && a.charCodeAt(index) === b.charCodeAt(index)) index++
  return index
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff

/**
 * Compares two strings by their UTF-8 bytes, the order S3 lists keys in. JavaScript's `<` compares UTF-16 units, which differs only
 * where a surrogate (a code point from U+10000 up) meets a unit from U+E000 up.
 */
export function compareUtf8(a: string, b: string): number {
  const index = firstDifference(a, b)
  if (index >= a.length || index >= b.length) return a.length - b.length
  const left = a.charCodeAt(index)
  const right = b.charCodeAt(index)
  if (isSurrogate(left) !== isSurrogate(right)) {
    if (isSurrogate(left) && right >= 0xe000) return 1
    if (isSurrogate(right) && left >= 0xe000) return -1
  }
  return left - right
}

/** Sorts names in place by their UTF-8 bytes; the engine's own order is used where it is the same. */
export function sortUtf8(names: string[]): string[] {
  return names.some(name => /[\ud800-\udfff]/.test(name)) ? names.sort(compareUtf8) : names.sort()
}

/** Why a key cannot be used, or undefined where it can. */
function keyFault(key: string): string | undefined {
  if (key === '') return 'is empty'
  if (key.includes('\0')) return 'contains NUL'
  if (/\p{Surrogate}/u.test(key)) return 'is not valid Unicode'
  if (key.startsWith('/')) return 'is absolute'
  const parts = key.split('/')
  if (parts.includes('..')) return "contains '..'"
  if (parts.includes('.') || parts.includes('')) return "contains '.' or an empty part"
  return undefined
}

/** Throws `KEY_INVALID` where a key is empty, absolute, contains NUL, or could leave the root it is resolved in. */
export function checkKey(key: string, where: string): void {
  const fault = keyFault(key)
  if (fault === undefined) return
  throw new LayermillError('KEY_INVALID', `${where}: key ${JSON.stringify(key)} ${fault}`, {
    hint: "Keys are relative to the root, with '/' between their parts, such as 'manifest/part-00000.jsonl'.",
  })
}

/** True where every key that starts with `prefix` comes before or at `after`, so that a listing that resumes there can skip them all. */
export function allBefore(prefix: string, after: string): boolean {
  return !after.startsWith(prefix) && compareUtf8(prefix, after) < 0
}
