import { expect, it } from 'vitest'
import type { OnnxGraph } from '../graph.js'
import { rectify, withoutRectified } from './rectified.js'

const info = (name: string) => ({ name, shape: ['N', 4] })
const relu = (input: string, output: string) => ({ op: 'Relu', inputs: [input], outputs: [output] })

function graphOf(outputs: readonly string[]): OnnxGraph {
  const nodes = [
    { op: 'Sin', inputs: ['images'], outputs: ['a'] },
    relu('a', 'b'),
    { op: 'Sin', inputs: ['b'], outputs: ['c'] },
    relu('c', 'd'),
  ]
  return { name: 'g', nodes, initializers: new Map(), inputs: [info('images')], outputs: outputs.map(info) }
}

it('leaves out the ReLU of another output, and nothing else', () => {
  const all = withoutRectified(graphOf(['a', 'b', 'c', 'd']))
  expect(all.graph.outputs.map(({ name }) => name)).toEqual(['a', 'c'])
  expect([...all.rectified]).toEqual([
    ['b', 'a'],
    ['d', 'c'],
  ])
  expect(all.graph.nodes).toHaveLength(4)
  const some = withoutRectified(graphOf(['b', 'c']))
  expect(some.graph.outputs.map(({ name }) => name)).toEqual(['b', 'c'])
  expect(some.rectified.size).toBe(0)
})

it('takes a ReLU of a ReLU from what the runtime gives', () => {
  const graph = graphOf(['a', 'b', 'e'])
  const { graph: left, rectified } = withoutRectified({ ...graph, nodes: [...graph.nodes, relu('b', 'e')] })
  expect(left.outputs.map(({ name }) => name)).toEqual(['a'])
  expect([...rectified]).toEqual([
    ['b', 'a'],
    ['e', 'a'],
  ])
})

it('computes it as the runtime does, zeros and NaNs included', () => {
  const bits = Uint32Array.of(0x80000000, 0, 0x7fc00000, 0xffc00001, 0x7f800000, 0xff800000, 1, 0x80000001, 0x3f800000, 0xbf800000)
  const values = new Float32Array(bits.buffer)
  const expected = [0x80000000, 0, 0x7fc00000, 0xffc00001, 0x7f800000, 0, 1, 0, 0x3f800000, 0]
  expect([...new Uint32Array(rectify(values).buffer)]).toEqual(expected)
  expect(values[9]).toBe(-1)
})
