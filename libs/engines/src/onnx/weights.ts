import { setImmediate as nextTurn } from 'node:timers/promises'
import { formatShape, LayermillError, sameShape, type Tensor, type TensorMap } from '@layermill/core'
import { parameterShapes, type GraphNode, type Network } from '@layermill/models'

/**
 * Values copied at a time (1 MiB): some milliseconds where fresh memory is slow, so that the calling thread's event loop goes on turning.
 */
const slice = 1 << 18

/**
 * The weights that nodes read, and no others; of those only the ones in `only`, where it is given.
 * @throws LayermillError `WEIGHTS_MISSING_TENSOR`, `WEIGHTS_SHAPE` with the tensor's name and the shape expected.
 */
export function selectWeights(
  network: Network,
  nodes: readonly GraphNode[],
  weights: TensorMap,
  only?: ReadonlySet<string>,
): Map<string, Tensor> {
  const selected = new Map<string, Tensor>()
  for (const [name, shape] of parameterShapes({ nodes, inputSize: network.inputSize })) {
    if (only?.has(name) === false) continue
    const tensor = weights.get(name)
    if (tensor === undefined) {
      throw new LayermillError(
        'WEIGHTS_MISSING_TENSOR',
        `the weights have no tensor ${name} (${formatShape(shape)}), which ${network.id} needs`,
      )
    }
    if (!sameShape(tensor.shape, shape)) {
      const found = formatShape(tensor.shape)
      throw new LayermillError('WEIGHTS_SHAPE', `the weights' tensor ${name} is ${found}; ${network.id} needs ${formatShape(shape)}`)
    }
    selected.set(name, { shape: tensor.shape, data: tensor.data })
  }
  return selected
}

/** Whether all tensors are in shared memory, which another thread can read without a copy. */
export function allShared(weights: TensorMap): boolean {
  return [...weights.values()].every(({ data }) => data.buffer instanceof SharedArrayBuffer)
}

/** Those in shared memory and those that are not; tensors without whatever else their objects have. */
export function splitShared(weights: TensorMap): { shared: Map<string, Tensor>; others: Map<string, Tensor> } {
  const [shared, others] = [new Map<string, Tensor>(), new Map<string, Tensor>()]
  for (const [name, { shape, data }] of weights) (data.buffer instanceof SharedArrayBuffer ? shared : others).set(name, { shape, data })
  return { shared, others }
}

/** The same tensors, those copied whose buffer holds something else as well: it could not be handed to another thread. */
export function wholeBuffers(weights: TensorMap): Map<string, Tensor> {
  const whole = [...weights].map(([name, { shape, data }]): [string, Tensor] => {
    const owned = data.byteLength === data.buffer.byteLength
    return [name, { shape, data: owned ? data : data.slice() }]
  })
  return new Map(whole)
}

/** A copy that can be handed to another thread, made a slice at a time. */
export async function copyWeights(weights: TensorMap): Promise<Map<string, Tensor>> {
  const copies = new Map<string, Tensor>()
  let untilPause = slice
  for (const [name, { shape, data }] of weights) {
    const copy = new Float32Array(data.length)
    for (let start = 0; start < data.length;) {
      const end = Math.min(data.length, start + untilPause)
      copy.set(data.subarray(start, end), start)
      untilPause -= end - start
      start = end
      if (untilPause > 0) continue
      await nextTurn()
      untilPause = slice
    }
    copies.set(name, { shape, data: copy })
  }
  return copies
}
