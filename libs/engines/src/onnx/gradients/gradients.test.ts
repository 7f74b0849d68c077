/** Gradients of each operator against PyTorch's stored ones (`testing/make.py`). */
import { readFile } from 'node:fs/promises'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import type { OnnxInitializer, OnnxNode } from '../graph.js'
import { createSession } from '../session.js'
import { type Dims, gradientRules, graphGradients, withoutGradient } from './index.js'

interface Numbers {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

interface Case {
  readonly name: string
  /** The first side of all values that depend on `x` is the batch, and not known. */
  readonly batched: boolean
  /** No side of a value is known before the run. */
  readonly sides?: false
  /** Version of ONNX's operators, where it is not the usual one. */
  readonly opset?: number
  readonly nodes: readonly OnnxNode[]
  readonly integers: Readonly<Record<string, number | readonly number[]>>
  readonly inputs: Readonly<Record<string, Numbers>>
  readonly dims: Readonly<Record<string, readonly number[]>>
  readonly result: string
  readonly seed: Numbers
  readonly gradients: Readonly<Record<string, Numbers>>
}

const { cases } = JSON.parse(await readFile(new URL('testing/gradients.json', import.meta.url), 'utf8')) as { cases: Case[] }

/** Largest difference in units of the largest value. */
const tolerance = 1e-5

const tensor = ({ shape, data }: Numbers): ort.Tensor => new ort.Tensor('float32', Float32Array.from(data), shape)
const list = (value: number | readonly number[]): readonly number[] => (typeof value === 'number' ? [value] : value)

/** The name of a rule: operators of other domains than ONNX's have it in front. */
const ruleOf = ({ op, domain }: OnnxNode): string => (domain === undefined ? op : `${domain}.${op}`)

/** Gradients of a case, computed by the runtime. */
async function computed({ nodes, integers, inputs, dims, batched, sides, opset, result, seed }: Case): Promise<Map<string, Numbers>> {
  const ofBatch = new Set(batched ? ['x', ...Object.keys(dims)] : [])
  const dimsOf = (value: string): Dims => {
    const constant = integers[value]
    const shape = dims[value] ?? inputs[value]?.shape ?? (typeof constant === 'number' ? [] : [list(constant!).length])
    if (sides === false && constant === undefined) return shape.map(() => undefined)
    return ofBatch.has(value) ? [undefined, ...shape.slice(1)] : shape
  }
  const forward = {
    nodes: nodes.map(node => ({ ...node, op: ruleOf(node) })),
    dims: dimsOf,
    integers: (value: string) => (integers[value] === undefined ? undefined : list(integers[value])),
    isLogical: (value: string) => nodes.some(({ op, outputs }) => op === 'Greater' && outputs[0] === value),
  }
  const wanted = Object.keys(inputs)
  const made = graphGradients(forward, new Map([[result, 'seed']]), wanted)
  const constants = new Map<string, OnnxInitializer>(
    Object.entries(integers).map(([name, value]) => [
      name,
      { type: 'int64', shape: typeof value === 'number' ? [] : [value.length], data: [...list(value)] },
    ]),
  )
  const graph = {
    name: 'gradients',
    ...(opset === undefined ? {} : { opset }),
    nodes: [...nodes, ...made.nodes],
    initializers: new Map([...constants, ...made.initializers]),
    inputs: [...Object.entries(inputs).map(([name, { shape }]) => ({ name, shape })), { name: 'seed', shape: seed.shape }],
    outputs: [...new Set(made.gradients.values())].map(name => ({
      name,
      shape: inputs[[...made.gradients].find(([, value]) => value === name)![0]]!.shape,
    })),
  }
  const session = await createSession(graph, { device: 'cpu', threads: 1 })
  try {
    const feeds = Object.fromEntries([
      ...Object.entries(inputs).map(([name, value]) => [name, tensor(value)] as const),
      ['seed', tensor(seed)] as const,
    ])
    const values = await session.run(feeds)
    return new Map(
      [...made.gradients].map(([name, value]) => [name, { shape: values[value]!.dims, data: [...(values[value]!.data as Float32Array)] }]),
    )
  } finally {
    await session.release()
  }
}

describe('gradients of operators', () => {
  it.each(cases)("of $name are PyTorch's", async one => {
    const found = await computed(one)
    for (const [name, expected] of Object.entries(one.gradients)) {
      const actual = found.get(name)
      const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      // Bounds, exponents and statistics have none here, and a zero in PyTorch.
      if (actual === undefined) {
        expect(largest, `${name} has a gradient`).toBe(0)
        continue
      }
      if (largest === 0) continue
      expect(actual.shape, name).toEqual(expected.shape)
      const difference = expected.data.reduce((most, value, i) => Math.max(most, Math.abs(value - actual.data[i]!)), 0)
      expect(difference / largest, name).toBeLessThanOrEqual(tolerance)
    }
  })

  it('are tested for every rule', () => {
    const tested = new Set(cases.flatMap(({ nodes }) => nodes.map(ruleOf)))
    expect(Object.keys(gradientRules).filter(op => !tested.has(op))).toEqual([])
  })

  it('name the operators in the way, of those between what learns and the result', () => {
    const node = (op: string, inputs: string[], output: string): OnnxNode => ({ op, inputs, outputs: [output] })
    const nodes = [
      node('LSTM', ['x'], 'a'),
      node('Mul', ['a', 'w'], 'b'),
      node('RoiAlign', ['b'], 'c'),
      node('GridSample', ['b'], 'd'),
      node('Add', ['c', 'b'], 'e'),
    ]
    expect(withoutGradient(nodes, ['w'], ['e'])).toEqual(['RoiAlign'])
    expect(withoutGradient(nodes, ['x'], ['e'])).toEqual(['LSTM', 'RoiAlign'])
    expect(withoutGradient(nodes, ['w'], ['b'])).toEqual([])
    const shaped = [node('Shape', ['x'], 's'), node('ArgMax', ['x'], 'i'), node('Reshape', ['x', 's'], 'y')]
    expect(withoutGradient(shaped, ['x'], ['y'])).toEqual([])
    const forward = { nodes, dims: (): Dims => [2], integers: () => undefined }
    expect(() => graphGradients(forward, new Map([['e', 'seed']]), ['w'])).toThrow('RoiAlign has no gradient here')
  })
})
