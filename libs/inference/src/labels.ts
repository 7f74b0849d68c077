import { readFileSync } from 'node:fs'

/**
 * Names of ImageNet's 1,000 classes in the order of every published network (synsets sorted by id: 0 is `tench`), first synonym only
 * where `short`.
 */
export function imagenetLabels(short = true): string[] {
  const text = readFileSync(new URL('../data/imagenet-classes.txt', import.meta.url), 'utf8')
  const names = text.trimEnd().split('\n')
  return names.filter(name => !name.startsWith('#')).map(name => (short ? name.split(',')[0]! : name))
}

/** Names of a network's classes: ImageNet's where there are 1,000 of them, else `class 0`, `class 1`, ... */
export function classLabels(classes: number): string[] {
  return classes === 1000 ? imagenetLabels() : Array.from({ length: classes }, (_, i) => `class ${i}`)
}

/** Finds the number of a class among a model's by an image's label: by its name, else, where no class is called so, by its number. */
export function classFinder(names: readonly string[]): (label: string) => number | undefined {
  const indices = new Map(names.map((name, i) => [name, i]))
  return label => {
    const byName = indices.get(label)
    if (byName !== undefined) return byName
    const number = /^\d{1,9}$/.test(label) ? Number(label) : undefined
    return number !== undefined && number < names.length ? number : undefined
  }
}
