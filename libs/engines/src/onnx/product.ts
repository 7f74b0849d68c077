import { type MatrixProduct, matrix, plainProduct, type ProductForm, productShape } from '@layermill/analysis'
import * as ort from 'onnxruntime-node'
import { int, type OnnxGraph } from './graph.js'
import { createSession } from './session.js'

/** Below this many multiplications a call into the runtime costs more than they do. */
const plain = 20_000

/** Products by ONNX Runtime's float64 Gemm. */
export interface FastProduct {
  readonly product: MatrixProduct
  close(): Promise<void>
}

const graphOf = (form: ProductForm): OnnxGraph => ({
  name: `layermill-product-${form}`,
  nodes: [
    {
      op: 'Gemm',
      inputs: ['a', 'b'],
      outputs: ['c'],
      attributes: { transA: int(form === 'tn' ? 1 : 0), transB: int(form === 'nt' ? 1 : 0) },
    },
  ],
  initializers: new Map(),
  inputs: [
    { name: 'a', shape: ['ar', 'ac'], type: 'float64' },
    { name: 'b', shape: ['br', 'bc'], type: 'float64' },
  ],
  outputs: [{ name: 'c', shape: ['cr', 'cc'], type: 'float64' }],
})

/** The runtime cuts a product by its threads, and rounds at the cuts in its own way: their number is the same on every machine. */
const threads = 4

/**
 * The product of float64 matrices by ONNX Runtime on the CPU, several times as fast as loops. It blocks the calling thread: cut the work
 * into blocks. The same shapes and numbers give the same bits on CPUs of one kind, whatever the number of cores.
 */
export async function openProduct(): Promise<FastProduct> {
  const sessions = new Map<ProductForm, Promise<ort.InferenceSession>>()
  const sessionOf = (form: ProductForm): Promise<ort.InferenceSession> => {
    let session = sessions.get(form)
    if (session === undefined) sessions.set(form, (session = createSession(graphOf(form), { device: 'cpu', threads: threads })))
    return session
  }
  return {
    product: async (a, b, form, target) => {
      const { rows, columns, inner } = productShape(a, b, form)
      if (rows * columns * inner <= plain) return plainProduct(a, b, form, target)
      const session = await sessionOf(form)
      const feeds = { a: new ort.Tensor('float64', a.data, [a.rows, a.columns]), b: new ort.Tensor('float64', b.data, [b.rows, b.columns]) }
      if (target === undefined) return matrix(rows, columns, (await session.run(feeds))['c']!.data as Float64Array)
      // The runtime writes into the given array: no array of its own is made and collected.
      await session.run(feeds, { c: new ort.Tensor('float64', target, [rows, columns]) })
      return matrix(rows, columns, target)
    },
    close: async () => {
      for (const session of sessions.values()) await (await session).release()
      sessions.clear()
    },
  }
}
