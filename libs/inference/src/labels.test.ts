import { expect, it } from 'vitest'
import { classFinder, classLabels, imagenetLabels, imagenetSynsets } from './labels.js'

it('names ImageNet’s classes in the order of the published networks', () => {
  const labels = imagenetLabels()
  expect(labels).toHaveLength(1000)
  expect([labels[0], labels[207], labels[388], labels[999]]).toEqual(['tench', 'golden retriever', 'giant panda', 'toilet tissue'])
  expect(imagenetLabels(false)[0]).toBe('tench, Tinca tinca')
  expect(classLabels(2)).toEqual(['class 0', 'class 1'])
})

it('finds classes by their names, else by their numbers', () => {
  const find = classFinder(['cat', '0', 'dog'])
  expect(['cat', '0', '2', '3', 'cow', '-1', ''].map(find)).toEqual([0, 1, 2, undefined, undefined, undefined, undefined])
})

it('finds ImageNet’s classes by the synset ids of its folders, whichever names they have', () => {
  const synsets = imagenetSynsets()
  expect(new Set(synsets).size).toBe(1000)
  expect(synsets).toEqual(synsets.toSorted())
  expect([synsets[0], synsets[207], synsets[388], synsets[999]]).toEqual(['n01440764', 'n02099601', 'n02510455', 'n15075141'])
  for (const names of [imagenetLabels(), imagenetLabels(false), imagenetLabels(false).map(name => name.replaceAll(', ', ','))]) {
    expect(['n02099601', 'n15075141', 'n00000001', '7'].map(classFinder(names))).toEqual([207, 999, undefined, 7])
  }
  expect(classFinder(imagenetLabels().toReversed())('n02099601')).toBeUndefined()
  expect(classFinder(['a', 'b'])('n01440764')).toBeUndefined()
})

it('finds classes by the first of their synonyms, unless several have it', () => {
  const find = classFinder(['tench, Tinca tinca', 'crane, bird', 'crane, machine', 'crane'])
  expect(['tench, Tinca tinca', 'tench', 'crane', 'Tinca tinca'].map(find)).toEqual([0, 0, 3, undefined])
  expect(classFinder(['crane, bird', 'crane, machine'])('crane')).toBeUndefined()
})

it('finds none of ImageNet’s classes that are called alike, but by synset id and number', () => {
  const find = classFinder(imagenetLabels())
  expect(['crane', 'maillot', 'n02012849', 'n03126707', '517'].map(find)).toEqual([undefined, undefined, 134, 517, 517])
})
