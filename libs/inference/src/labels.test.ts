import { expect, it } from 'vitest'
import { classFinder, classLabels, imagenetLabels } from './labels.js'

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
