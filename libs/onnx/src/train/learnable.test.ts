import { describe, expect, it } from 'vitest'
import { floatTensor } from '../read/encode.js'
import { graphOf, node } from '../testing/graph.js'
import type { TensorDef } from '../types.js'
import { learnableTensors } from './learnable.js'

const tensor = (name: string, ...dims: number[]): TensorDef =>
  floatTensor(
    name,
    Array.from({ length: dims.reduce((product, side) => product * side, 1) }, (_, i) => i),
    dims,
  )

describe('tensors that learn', () => {
  it('are weights and biases of joined operators, too', () => {
    const joined = (op: string, inputs: string[], output: string) => ({ ...node(op, inputs, output), domain: 'com.microsoft' })
    const weights = [
      tensor('conv.weight', 4, 3, 1, 1),
      tensor('conv.bias', 4),
      tensor('scale', 4),
      tensor('shift', 4),
      tensor('qkv', 4, 12),
    ]
    const nodes = [
      joined('FusedConv', ['x', 'conv.weight', 'conv.bias'], 'a'),
      joined('SkipLayerNormalization', ['a', 'x', 'scale', 'shift'], 'b'),
      joined('Attention', ['b', 'qkv', ''], 'c'),
      joined('QuickGelu', ['c'], 'd'),
    ]
    const found = learnableTensors(graphOf(nodes, weights), new Map(weights.map(one => [one.name, one])), 'd')
    expect([...found.keys()]).toEqual(['conv.weight', 'conv.bias', 'scale', 'shift', 'qkv'])
  })
})
