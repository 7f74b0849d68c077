import { expect, it } from 'vitest'
import { checkSpecText, mostSpecBytes, nestsDeeper } from './nesting.js'

const refusal = expect.objectContaining({ code: 'SPEC_INVALID', message: expect.stringContaining('pets.yaml: ') as string }) as Error

it('counts brackets outside of strings', () => {
  expect(nestsDeeper('[[1]]', 2)).toBe(false)
  expect(nestsDeeper('[[[1]]]', 2)).toBe(true)
  expect(nestsDeeper(String.raw`["[[[\"[[[", {"a[[": 1}]`, 2)).toBe(false)
  expect(nestsDeeper('[],[],[],{}', 1)).toBe(false)
  expect(nestsDeeper('"[[[[', 1)).toBe(false)
})

it.each([
  ['brackets', `a: ${'['.repeat(40)}${']'.repeat(40)}`],
  ['objects', '{"a":'.repeat(40)],
  ['list marks', `${'- '.repeat(40)}a`],
  ['indentation', Array.from({ length: 40 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  ['length', `# ${'x'.repeat(mostSpecBytes)}`],
])('refuses too much: %s', (_, text) => {
  expect(() => checkSpecText(text, 'pets.yaml')).toThrow(refusal)
})

it('lets specs pass, also long and indented ones', () => {
  const weights = Array.from({ length: 5000 }, (_, i) => `  class-${i}: ${1 + i}`).join('\n')
  expect(() =>
    checkSpecText(`kind: finetune\nsource: ./pets\nclassWeights:\n${weights}\nlayers: [res4, pool5]\n- - a\n`, 'pets.yaml'),
  ).not.toThrow()
})
