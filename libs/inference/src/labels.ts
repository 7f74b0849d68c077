import { createRequire } from 'node:module'

/**
 * Names of ImageNet's 1,000 classes in the order of every published network (synsets sorted by id: 0 is `tench`), first synonym only
 * where `short`. From @tensorflow-models/mobilenet: a maintained package that ships the list.
 */
export function imagenetLabels(short = true): string[] {
  // The list is a CommonJS file of its own, so that nothing else of the package is loaded.
  const { IMAGENET_CLASSES } = createRequire(import.meta.url)('@tensorflow-models/mobilenet/dist/imagenet_classes.js') as {
    IMAGENET_CLASSES: Record<number, string>
  }
  const names = Array.from({ length: Object.keys(IMAGENET_CLASSES).length }, (_, i) => IMAGENET_CLASSES[i]!)
  return short ? names.map(name => name.split(',')[0]!) : names
}

/** Names of a network's classes: ImageNet's where there are 1,000 of them, else `class 0`, `class 1`, ... */
export function classLabels(classes: number): string[] {
  return classes === 1000 ? imagenetLabels() : Array.from({ length: classes }, (_, i) => `class ${i}`)
}
