import type { NodeOf } from '@layermill/models'
import { int, ints, text, type OnnxAttribute } from '../graph.js'
import { averagingMatrix } from '../lower/adaptive.js'
import type { TrainingContext } from './context.js'

const indices = (node: string): string => `${node}/indices`

function poolAttributes({ kernel, stride, pad, ceil }: NodeOf<'maxPool'>['attributes']): Record<string, OnnxAttribute> {
  return {
    kernel_shape: ints(...kernel),
    strides: ints(...stride),
    pads: ints(pad[0], pad[1], pad[0], pad[1]),
    ceil_mode: int(ceil ? 1 : 0),
  }
}

/** With the positions of the maxima, where a gradient will come back. */
export function maxPoolForward(node: NodeOf<'maxPool'>, [input]: readonly string[], context: TrainingContext): string {
  const attributes = poolAttributes(node.attributes)
  if (!context.needs(node.name)) return context.emit('MaxPool', [input!], node.name, attributes)
  context.nodes.push({ op: 'MaxPool', inputs: [input!], outputs: [node.name, indices(node.name)], attributes })
  return node.name
}

/** Every window's gradient goes to its first maximum; overlapping windows add. */
export function maxPoolBackward(node: NodeOf<'maxPool'>, gradient: string, context: TrainingContext): void {
  const source = node.inputs[0]!
  const size = context.op('Size', [context.value(source)])
  const zeros = context.op('ConstantOfShape', [context.reshape(size, 1)])
  const places = context.reshape(indices(node.name), -1)
  const sums = context.op('ScatterElements', [zeros, places, context.reshape(gradient, -1)], { axis: int(0), reduction: text('add') })
  context.accumulate(source, context.reshape(sums, -1, ...context.shape(source)))
}

/** Row i of [parts, length] averages window i, padding counted in the divisor but not in the sum. */
function windowMatrix(parts: number, length: number, window: { kernel: number; stride: number; pad: number }): Float32Array {
  const matrix = new Float32Array(parts * length)
  for (let part = 0; part < parts; part++) {
    const start = part * window.stride - window.pad
    for (let cell = Math.max(0, start); cell < Math.min(length, start + window.kernel); cell++) matrix[part * length + cell] = 1 / window.kernel
  }
  return matrix
}

type AveragingNode = NodeOf<'avgPool' | 'globalAvgPool' | 'adaptiveAvgPool'>

function axisMatrix(node: AveragingNode, axis: 0 | 1, parts: number, length: number): Float32Array {
  if (node.op !== 'avgPool') return averagingMatrix(parts, length, false)
  const { kernel, stride, pad } = node.attributes
  return windowMatrix(parts, length, { kernel: kernel[axis], stride: stride[axis], pad: pad[axis] })
}

function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(matrix, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!)
}

/** Averaging is linear in rows and in columns: value = A x B^T, so the gradient is A^T g B. */
export function averageBackward(node: AveragingNode, gradient: string, context: TrainingContext): void {
  const source = node.inputs[0]!
  const [, height, width] = context.shape(source)
  const [, rows, columns] = context.shape(node.name)
  const left = context.floats(transposed(axisMatrix(node, 0, rows!, height!), rows!, height!), [height!, rows!])
  const right = context.floats(axisMatrix(node, 1, columns!, width!), [columns!, width!])
  context.accumulate(source, context.op('MatMul', [left, context.op('MatMul', [gradient, right])]))
}
