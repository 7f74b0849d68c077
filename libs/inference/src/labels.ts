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
