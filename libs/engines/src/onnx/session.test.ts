import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { numbers } from '../self-check/operators/tiny.js'
import type { OnnxGraph } from './graph.js'
import { createSession } from './session.js'

/** A product with a matrix of 4 MiB and one small enough to stay in the model. */
const graph: OnnxGraph = {
  name: 'test',
  nodes: [
    { op: 'MatMul', inputs: ['x', 'large'], outputs: ['product'] },
    { op: 'Add', inputs: ['product', 'small'], outputs: ['y'] },
  ],
  initializers: new Map([
    ['large', { type: 'float32', shape: [1024, 1024], data: numbers(1024 * 1024, 3) }],
    ['small', { type: 'float32', shape: [1], data: Float32Array.of(0.5) }],
  ]),
  inputs: [{ name: 'x', shape: ['N', 1024] }],
  outputs: [{ name: 'y', shape: ['N', 1024] }],
}

async function compute(folders: readonly string[]): Promise<Float32Array> {
  const session = await createSession(graph, { device: 'cpu', threads: 1 }, folders)
  const { y } = await session.run({ x: new ort.Tensor('float32', numbers(1024, 5), [1, 1024]) })
  await session.release()
  return y!.data as Float32Array
}

describe('createSession', () => {
  it('computes the same from a file and from memory, and leaves no file behind', async () => {
    const fromFile = await compute([tmpdir()])
    const fromMemory = await compute([])
    expect(fromFile.some(value => value !== 0.5)).toBe(true)
    expect(fromMemory).toEqual(fromFile)
    const left = (await readdir(tmpdir())).filter(name => name.startsWith('layermill-weights-'))
    expect(left).toEqual([])
  })
})
