import { readFileSync } from 'node:fs'

/**
 * Names of ImageNet's 1,000 classes in the order of every published network (synsets sorted by id: 0 is `tench`), first synonym only
 * where `short`.
 */
export function imagenetLabels(short = true): string[] {
  const names = linesOf('imagenet-classes.txt')
  return short ? names.map(firstSynonym) : names
}

/** Synset ids of the same classes, `n01440764` for `tench`: ImageNet's own folders are called so. */
export const imagenetSynsets = (): string[] => linesOf('imagenet-synsets.txt')

function linesOf(file: string): string[] {
  const text = readFileSync(new URL(`../data/${file}`, import.meta.url), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .filter(line => !line.startsWith('#'))
}

const firstSynonym = (name: string): string => name.split(',')[0]!

/** Whether names are of ImageNet's 1,000 classes in their order, by the first and the last; an export may have all synonyms or one. */
function areImagenets(names: readonly string[]): boolean {
  const isCalled = (place: number, name: string): boolean => firstSynonym(names[place]!).trim().toLowerCase() === name
  return names.length === 1000 && isCalled(0, 'tench') && isCalled(999, 'toilet tissue')
}

/** Names of a network's classes: ImageNet's where there are 1,000 of them, else `class 0`, `class 1`, ... */
export function classLabels(classes: number): string[] {
  return classes === 1000 ? imagenetLabels() : Array.from({ length: classes }, (_, i) => `class ${i}`)
}

/** Numbers of all classes of a name, which a list of synonyms may begin with. */
export const classesCalled = (names: readonly string[], label: string): number[] =>
  names.flatMap((name, i) => (name === label || firstSynonym(name) === label ? [i] : []))

/** Places of texts that stand there once. */
function placesOf(texts: readonly string[]): Map<string, number | undefined> {
  const places = new Map<string, number | undefined>()
  for (const [i, text] of texts.entries()) places.set(text, places.has(text) ? undefined : i)
  return places
}

/**
 * Finds the number of a class among a model's by an image's label: by its name, else, where no class is called so, by the first of its
 * synonyms, by its synset id where the classes are ImageNet's, or by its number. What several classes are called finds none: ImageNet has
 * two cranes and two maillots.
 */
export function classFinder(names: readonly string[]): (label: string) => number | undefined {
  const known = [names, names.map(firstSynonym), areImagenets(names) ? imagenetSynsets() : []].map(placesOf)
  return label => {
    const byName = known.map(places => places.get(label)).find(place => place !== undefined)
    if (byName !== undefined) return byName
    const number = /^\d{1,9}$/.test(label) ? Number(label) : undefined
    return number !== undefined && number < names.length ? number : undefined
  }
}
