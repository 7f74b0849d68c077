import { expect, it } from 'vitest'
import { parseReduce, parseRule, reducedShape, reductionText } from './reduce.js'

it.each([
  ['pca:256', '*=pca:256'],
  ['srp:64', '*=srp:64:0'],
  ['srp:64:7', '*=srp:64:7'],
  ['res4=pca:0256, pool5=none', 'res4=pca:256,pool5=none'],
  ['avg', '*=avg'],
])('reads %s', (text, canonical) => {
  expect(parseReduce(text)).toBe(canonical)
  expect(parseReduce(canonical)).toBe(canonical)
})

it.each(['pca', 'pca:0', 'pca:256:1', 'avg:3', 'tsne:2', 'a=pca:2,a=pca:3', 'pca:2,srp:3', '', 'srp:x'])('refuses %s', text => {
  expect(() => parseReduce(text)).toThrow('--reduce')
})

it('gives each layer its rule', () => {
  const spec = { reduce: parseReduce('res4=pca:8,*=srp:16:3'), whiten: true, l2: true }
  expect(reductionText(spec, 'res4')).toBe('pca:8+whiten+l2')
  expect(reductionText(spec, 'pool5')).toBe('srp:16:3+l2')
  expect(reductionText({}, 'pool5')).toBeUndefined()
  expect(parseRule('pca:8+whiten+l2')).toEqual({ kind: 'pca', components: 8, seed: 0, center: false, whiten: true, l2: true })
  expect(reducedShape([4, 2, 2], parseRule('srp:8:0'))).toEqual([8])
  expect(reducedShape([4, 2, 2], parseRule('srp:16:0'))).toEqual([4, 2, 2])
  expect(reducedShape([4, 2, 2], parseRule('pca:99'))).toEqual([16])
  expect(reducedShape([4, 2, 2], parseRule('avg'))).toEqual([4])
})
