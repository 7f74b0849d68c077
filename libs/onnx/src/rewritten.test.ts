import { expect, it } from 'vitest'
import { valueOf } from './names/modules.js'
import { ownNormalisation } from './normalised.js'
import { floatTensor, intTensor } from './read/encode.js'
import { inferValues } from './shapes/infer.js'
import { graphOf, node } from './testing/graph.js'

const means = [103.9, 116.8, 123.7]

it.each([
  ['means of pixels without a scale', [node('Sub', ['x', 'means'], 'y')], '0..255'],
  ['channels turned round, then means of pixels', [node('Gather', ['x', 'turned'], 'bgr'), node('Sub', ['bgr', 'means'], 'y')], '0..255'],
  ['a batch norm with means of pixels', [node('BatchNormalization', ['x', 'ones', 'ones', 'means', 'ones'], 'y')], '0..255'],
  ['a batch norm that may be a layer', [node('BatchNormalization', ['x', 'ones', 'ones', 'halves', 'ones'], 'y')], undefined],
  ['twice the image less one', [node('Mul', ['x', 'two'], 'twice'), node('Sub', ['twice', 'one'], 'y')], '0..1'],
  ['the image divided by 255 less a mean', [node('Div', ['x', 'most'], 'unit'), node('Sub', ['unit', 'halves'], 'y')], '0..255'],
])('%s', (_, nodes, expected) => {
  const constants = { means, ones: [1, 1, 1], halves: [0.5, 0.5, 0.5], two: [2], one: [1], most: [255] }
  const tensors = Object.entries(constants).map(([name, numbers]) => floatTensor(name, numbers, [numbers.length]))
  expect(ownNormalisation(graphOf(nodes, [...tensors, intTensor('turned', [2, 1, 0])]), 'x')).toBe(expected)
})

it('takes the output of a module, not the scale that dynamic quantisation makes of it', () => {
  const nodes = [
    node('Relu', ['x'], 'relu'),
    node('DynamicQuantizeLinear', ['relu'], 'bytes', 'scale', 'zero'),
    node('Mul', ['scale', 'relu'], 'y'),
  ]
  expect(valueOf(graphOf(nodes), [0, 1], new Set(['relu', 'scale', 'y']))).toBe('relu')
})

it('knows shapes and types behind products and joins of bytes', () => {
  const graph = graphOf([
    node('QGemm', ['a', 's', 'z', 'b', 's', 'z', 'c'], 'real'),
    node('QGemm', ['a', 's', 'z', 'b', 's', 'z', 'c', 's', 'z'], 'bytes'),
    node('QLinearConcat', ['s', 'z', 'bytes', 's', 'z', 'bytes', 's', 'z'], 'joined'),
  ])
  const shapes = { a: [1, 4], b: [4, 3], c: [3], s: [], z: [] }
  const given = new Map(Object.entries(shapes))
  const values = inferValues(
    { ...graph, inputs: Object.keys(shapes).map(name => ({ name, type: name === 's' ? 1 : 2, proto: new Uint8Array() })) },
    17,
    given,
    true,
  )
  expect(values.get('real')).toEqual({ type: 1, dims: [1, 3] })
  expect(values.get('joined')).toEqual({ type: 2, dims: [1, 6] })
})
