import { describe, expect, it } from 'vitest'
import { intTensor } from '../read/encode.js'
import { type AttributeDef, bool, float, type GraphDef, int64, type NodeDef } from '../types.js'
import { inferNode } from './infer.js'
import type { Info } from './info.js'

const attribute = (name: string, more: Partial<AttributeDef>): [string, AttributeDef] => [
  name,
  { name, kind: 'other', numbers: [], text: '', graphs: [], reference: '', proto: new Uint8Array(), ...more },
]

function node(op: string, inputs: string[], outputs: string[], attributes: [string, AttributeDef][] = []): NodeDef {
  return { name: '', op, domain: '', overload: '', inputs, outputs, attributes: new Map(attributes), metadata: new Map(), rest: [] }
}

const value = (name: string, type = 0) => ({ name, type, proto: new Uint8Array() })

function graph(inputs: string[], nodes: NodeDef[], outputs: string[], numbers: Record<string, number[]> = {}): GraphDef {
  return {
    name: '',
    nodes,
    initializers: new Map(Object.entries(numbers).map(([name, all]) => [name, intTensor(name, all)])),
    inputs: inputs.map(name => value(name)),
    outputs: outputs.map(name => value(name)),
    values: new Map(),
    rest: [],
  }
}

const within = (name: string, inner: GraphDef): [string, AttributeDef] => attribute(name, { kind: 'graph', graphs: [inner] })
const ints = (name: string, ...numbers: number[]): [string, AttributeDef] => attribute(name, { kind: 'ints', numbers })

const around: Readonly<Record<string, Info>> = {
  x: { type: float, dims: [2, 8, 6, 4] },
  y: { type: float, dims: [2, 8, 6, 2] },
  yes: { type: bool, dims: [], numbers: [1] },
  no: { type: bool, dims: [], numbers: [0] },
  some: { type: bool, dims: [] },
  three: { type: int64, dims: [], numbers: [3] },
}

const infer = (asked: NodeDef): Info[] =>
  inferNode({
    node: asked,
    inputs: asked.inputs.map(name => around[name] ?? { type: 0 }),
    opset: 17,
    scope: name => around[name],
  })

describe('If', () => {
  const relu = graph([], [node('Relu', ['x'], ['r'])], ['r'])
  const halves = graph([], [node('Neg', ['y'], ['n'])], ['n'])
  const flat = graph([], [node('Flatten', ['x'], ['f'])], ['f'])
  const branch = (condition: string, one: GraphDef, other: GraphDef): Info[] =>
    infer(node('If', [condition], ['z'], [within('then_branch', one), within('else_branch', other)]))

  it('has the shape of the branch that is taken, where that is known', () => {
    expect(branch('yes', relu, flat)).toEqual([{ type: float, dims: [2, 8, 6, 4] }])
    expect(branch('no', relu, flat)).toEqual([{ type: float, dims: [2, 192] }])
  })

  it('has what both branches agree on, where it is not', () => {
    expect(branch('some', relu, relu)).toEqual([{ type: float, dims: [2, 8, 6, 4] }])
    expect(branch('some', relu, halves)).toEqual([{ type: float, dims: [2, 8, 6, undefined] }])
    expect(branch('some', relu, flat)).toEqual([{ type: float }])
  })

  it('passes values of around on, and constants within', () => {
    const shape = attribute('value', { kind: 'tensor', tensor: intTensor('', [2, -1]) })
    const reshaped = graph([], [node('Constant', [], ['s'], [shape]), node('Reshape', ['x', 's'], ['r'])], ['r', 'y'])
    expect(infer(node('If', ['some'], ['a', 'b'], [within('then_branch', reshaped), within('else_branch', reshaped)]))).toEqual([
      { type: float, dims: [2, 192] },
      { type: float, dims: [2, 8, 6, 2] },
    ])
  })
})

describe('Loop', () => {
  const loop = (inputs: string[], body: GraphDef, outputs: string[]): Info[] => infer(node('Loop', inputs, outputs, [within('body', body)]))
  const grown = node('Concat', ['v', 'y'], ['w'], [attribute('axis', { kind: 'int', numbers: [3] })])

  it('keeps sizes that no turn changes, and leaves open those that one does', () => {
    const same = graph(['i', 'c', 'v'], [node('Relu', ['v'], ['w'])], ['c', 'w'])
    expect(loop(['three', 'yes', 'x'], same, ['z'])).toEqual([{ type: float, dims: [2, 8, 6, 4] }])
    const wider = graph(['i', 'c', 'v'], [grown], ['c', 'w'])
    expect(loop(['three', 'yes', 'x'], wider, ['z'])).toEqual([{ type: float, dims: [2, 8, 6, undefined] }])
  })

  it('stacks values of each turn: as many as it is told to take, unless a condition may end it', () => {
    const body = graph(['i', 'c', 'v'], [node('Relu', ['v'], ['w'])], ['c', 'w', 'w'])
    expect(loop(['three', '', 'x'], body, ['z', 'all'])[1]).toEqual({ type: float, dims: [3, 2, 8, 6, 4] })
    expect(loop(['three', 'yes', 'x'], body, ['z', 'all'])[1]).toEqual({ type: float, dims: [undefined, 2, 8, 6, 4] })
  })
})

describe('Scan', () => {
  it('takes slices along an axis, and stacks outputs along another', () => {
    const body = graph(['s', 'part'], [node('Relu', ['part'], ['p'])], ['s', 'p'])
    const counted = attribute('num_scan_inputs', { kind: 'int', numbers: [1] })
    const scan = (...more: [string, AttributeDef][]): Info[] =>
      infer(node('Scan', ['y', 'x'], ['state', 'all'], [within('body', body), counted, ...more]))
    expect(scan()).toEqual([around['y'], { type: float, dims: [2, 8, 6, 4] }])
    expect(scan(ints('scan_input_axes', 2), ints('scan_output_axes', -1))).toEqual([around['y'], { type: float, dims: [2, 8, 4, 6] }])
  })
})
