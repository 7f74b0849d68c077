import { expect, it } from 'vitest'
import { intTensor } from '../read/encode.js'
import { type AttributeDef, float, int64, type NodeDef, uint8 } from '../types.js'
import { inferNode } from './infer.js'
import type { Info } from './info.js'

interface Case {
  readonly op: string
  readonly domain?: string
  readonly opset?: number
  readonly attributes?: Readonly<Record<string, number | string | readonly number[]>>
  /** Shapes, or the numbers of a constant. */
  readonly inputs: readonly (readonly number[] | { readonly numbers: readonly number[] } | { readonly bytes: readonly number[] } | '')[]
  /** Shapes that ONNX Runtime 1.30 gave. */
  readonly outputs: readonly (readonly number[] | undefined)[]
}

const runtime = 'com.microsoft'
const cases: Case[] = [
  {
    op: 'LSTM',
    attributes: { hidden_size: 6, direction: 'bidirectional' },
    inputs: [
      [5, 2, 7],
      [2, 24, 7],
      [2, 24, 6],
    ],
    outputs: [
      [5, 2, 2, 6],
      [2, 2, 6],
      [2, 2, 6],
    ],
  },
  {
    op: 'GRU',
    attributes: { hidden_size: 6 },
    inputs: [
      [5, 2, 7],
      [1, 18, 7],
      [1, 18, 6],
    ],
    outputs: [
      [5, 1, 2, 6],
      [1, 2, 6],
    ],
  },
  { op: 'DFT', attributes: { onesided: 1 }, inputs: [[2, 8, 6, 1], '', { numbers: [1] }], outputs: [[2, 5, 6, 2]] },
  { op: 'DFT', opset: 17, attributes: { axis: 2 }, inputs: [[2, 8, 6, 2]], outputs: [[2, 8, 6, 2]] },
  { op: 'Col2Im', inputs: [[2, 36, 20], { numbers: [6, 7] }, { numbers: [3, 3] }], outputs: [[2, 4, 6, 7]] },
  { op: 'AffineGrid', inputs: [[2, 2, 3], { numbers: [2, 3, 5, 6] }], outputs: [[2, 5, 6, 2]] },
  { op: 'CenterCropPad', attributes: { axes: [2, 3] }, inputs: [[1, 3, 8, 9], { numbers: [5, 12] }], outputs: [[1, 3, 5, 12]] },
  {
    op: 'Einsum',
    attributes: { equation: '...ij,...jk->...ik' },
    inputs: [
      [2, 3, 4, 5],
      [2, 3, 5, 6],
    ],
    outputs: [[2, 3, 4, 6]],
  },
  {
    op: 'Einsum',
    attributes: { equation: 'ij,jk' },
    inputs: [
      [4, 5],
      [5, 6],
    ],
    outputs: [[4, 6]],
  },
  { op: 'RoiAlign', attributes: { output_height: 2, output_width: 3 }, inputs: [[1, 3, 8, 9], [4, 4], [4]], outputs: [[4, 3, 2, 3]] },
  { op: 'Det', inputs: [[2, 3, 4, 4]], outputs: [[2, 3]] },
  { op: 'Shape', attributes: { start: -3, end: -1 }, inputs: [[2, 3, 5, 6]], outputs: [[2]] },
  { op: 'Shape', attributes: { start: 0, end: 1 }, inputs: [[2, 3, 5, 6]], outputs: [[1]] },
  {
    op: 'FusedMatMul',
    domain: runtime,
    attributes: { transB: 1 },
    inputs: [
      [2, 3, 4, 5],
      [2, 3, 6, 5],
    ],
    outputs: [[2, 3, 4, 6]],
  },
  {
    op: 'MatMulNBits',
    domain: runtime,
    attributes: { K: 32, N: 10, bits: 4 },
    inputs: [[2, 7, 32], [10, 2, 8], [20]],
    outputs: [[2, 7, 10]],
  },
  {
    op: 'MultiHeadAttention',
    domain: runtime,
    attributes: { num_heads: 3 },
    inputs: [
      [2, 7, 12],
      [2, 9, 12],
      [2, 9, 24],
    ],
    outputs: [[2, 7, 24]],
  },
  { op: 'Attention', domain: runtime, attributes: { num_heads: 3 }, inputs: [[2, 7, 12], [12, 36], [36]], outputs: [[2, 7, 12]] },
  {
    op: 'Attention',
    domain: runtime,
    attributes: { num_heads: 3, qkv_hidden_sizes: [12, 12, 24] },
    inputs: [[2, 7, 12], [12, 48], [48]],
    outputs: [[2, 7, 24]],
  },
  {
    op: 'SkipLayerNormalization',
    domain: runtime,
    inputs: [[2, 7, 12], [2, 7, 12], [12], [12], [12]],
    outputs: [[2, 7, 12], undefined, undefined, [2, 7, 12]],
  },
  {
    op: 'GatherBlockQuantized',
    domain: runtime,
    attributes: { bits: 4, block_size: 16, gather_axis: 0, quantize_axis: 1 },
    inputs: [{ bytes: [6, 16] }, [3], [6, 2]],
    outputs: [[3, 32]],
  },
]

function attributeOf(name: string, given: number | string | readonly number[]): [string, AttributeDef] {
  const numbers = typeof given === 'number' ? [given] : typeof given === 'string' ? [] : given
  const text = typeof given === 'string' ? given : ''
  return [name, { name, kind: 'other', numbers, text, graphs: [], reference: '', proto: new Uint8Array() }]
}

function infoOf(input: Case['inputs'][number]): Info {
  if (input === '') return { type: 0 }
  if ('numbers' in input) return { type: int64, dims: input.numbers.length === 1 ? [] : [input.numbers.length], numbers: input.numbers }
  return 'bytes' in input ? { type: uint8, dims: input.bytes } : { type: float, dims: input }
}

it.each(cases)('$op of $inputs: $outputs', ({ op, domain = '', opset = 20, attributes = {}, inputs, outputs }) => {
  const node: NodeDef = {
    name: '',
    op,
    domain,
    overload: '',
    inputs: inputs.map((input, i) => (input === '' ? '' : `in${i}`)),
    outputs: outputs.map((_, i) => `out${i}`),
    attributes: new Map(Object.entries(attributes).map(([name, value]) => attributeOf(name, value))),
    metadata: new Map(),
    rest: [],
  }
  const found = inferNode({ node, inputs: inputs.map(infoOf), opset })
  expect(found.map(({ dims }) => dims)).toEqual(outputs)
})

it('takes the part of a shape that later arithmetic is made of', () => {
  const shape: NodeDef = {
    name: '',
    op: 'Shape',
    domain: '',
    overload: '',
    inputs: ['x'],
    outputs: ['height'],
    attributes: new Map([attributeOf('start', 2), attributeOf('end', 3)]),
    metadata: new Map(),
    rest: [],
  }
  const [height] = inferNode({ node: shape, inputs: [{ type: float, dims: [1, 3, 48, 64] }], opset: 20 })
  expect(height).toEqual({ type: int64, dims: [1], numbers: [48] })
  const squeeze = { ...shape, op: 'Squeeze', inputs: ['height'], attributes: new Map() }
  expect(inferNode({ node: squeeze, inputs: [height!], opset: 20 })).toEqual([{ type: int64, dims: [], numbers: [48] }])
})

it('writes the largest int64, by which exporters say that there is no end, as it is', () => {
  const { proto } = intTensor('end', [Number(2n ** 63n - 1n), -1, Number(-(2n ** 63n))])
  expect([...new BigInt64Array(proto.slice(-24).buffer)]).toEqual([2n ** 63n - 1n, -1n, -(2n ** 63n)])
})
