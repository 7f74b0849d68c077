import * as ort from 'onnxruntime-node'
import { expect, it } from 'vitest'
import { numbers } from '../../self-check/operators/tiny.js'
import { int, type OnnxGraph } from '../graph.js'
import { createSession } from '../session.js'
import { splitProducts } from './split-products.js'

const [rows, columns] = [300, 700]
const graph: OnnxGraph = {
  name: 'test',
  nodes: [{ op: 'Gemm', inputs: ['x', 'W', 'b'], outputs: ['y'], attributes: { transB: int(1) } }],
  initializers: new Map([
    ['W', { type: 'float32', shape: [rows, columns], data: numbers(rows * columns, 3) }],
    ['b', { type: 'float32', shape: [rows], data: numbers(rows, 4) }],
  ]),
  inputs: [{ name: 'x', shape: ['N', columns] }],
  outputs: [{ name: 'y', shape: ['N', rows] }],
}

async function compute(computed: OnnxGraph, batch: number): Promise<Float32Array> {
  const session = await createSession(computed, { device: 'cpu', threads: 1 }, [])
  const { y } = await session.run({ x: new ort.Tensor('float32', numbers(batch * columns, 5), [batch, columns]) })
  await session.release()
  return y!.data as Float32Array
}

it('computes a large product in pieces with the bits of the whole', async () => {
  const split = splitProducts(graph, 64 * columns * 4)
  expect(split.nodes.map(({ op }) => op)).toEqual([...Array<string>(5).fill('Gemm'), 'Concat'])
  expect([...split.initializers.values()].filter(({ shape }) => shape.length === 2).map(({ shape }) => shape[0])).toEqual([
    64, 64, 64, 64, 44,
  ])
  for (const batch of [1, 5]) expect(await compute(split, batch)).toEqual(await compute(graph, batch))
})

it('leaves small products as they are', () => {
  expect(splitProducts(graph)).toBe(graph)
})
