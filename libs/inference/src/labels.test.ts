import { expect, it } from 'vitest'
import { classLabels, imagenetLabels } from './labels.js'

it('names ImageNet’s classes in the order of the published networks', () => {
  const labels = imagenetLabels()
  expect(labels).toHaveLength(1000)
  expect([labels[0], labels[207], labels[388], labels[999]]).toEqual(['tench', 'golden retriever', 'giant panda', 'toilet tissue'])
  expect(imagenetLabels(false)[0]).toBe('tench, Tinca tinca')
  expect(classLabels(2)).toEqual(['class 0', 'class 1'])
})
