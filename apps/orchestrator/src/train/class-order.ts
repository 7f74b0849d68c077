import { compareUtf8, type ImageSource } from '@layermill/storage'

const integer = /^[+-]?\d+$/
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

const byText = (a: string, b: string): number => compareUtf8(a, b)

/** Integers of any length; equal ones (`7` and `07`) by their text. */
function byInteger(a: string, b: string): number {
  const [x, y] = [BigInt(a.replace(/^\+/, '')), BigInt(b.replace(/^\+/, ''))]
  return x < y ? -1 : x > y ? 1 : byText(a, b)
}

const byNumber = (a: string, b: string): number => Number(a) - Number(b) || byText(a, b)

/**
 * Distinct labels in the order in which they are classes: the dataset's own order where it has one (a Hugging Face ClassLabel), by number
 * where all of them are numbers, else by their names' UTF-8 bytes. The dataset's order holds what it names; other labels follow.
 */
export function orderClasses(labels: Iterable<string>, known: readonly string[] = []): string[] {
  const classes = new Set(labels)
  const first = [...new Set(known)].filter(name => classes.has(name))
  for (const name of first) classes.delete(name)
  const others = [...classes]
  const compare = others.every(name => integer.test(name)) ? byInteger : others.every(name => decimal.test(name)) ? byNumber : byText
  return [...first, ...others.toSorted(compare)]
}

/** The dataset's own order of its classes, once it has been listed; undefined where it has none. */
export function ownOrder(source: ImageSource): readonly string[] | undefined {
  return source.classes
}
