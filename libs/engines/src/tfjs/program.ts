/** Running a network's nodes in order. */
import * as tf from '@tensorflow/tfjs-core'
import type { TrainingNode } from '../onnx/backward/plan.js'
import { computeNode, isInput, type RuleContext } from './rules.js'

export type Values = Map<string, tf.Tensor>

/** Adds the nodes' values to `values`, which already has those that come from outside. For differentiation: nothing is disposed. */
export function recordNodes(nodes: readonly TrainingNode[], values: Values, context: RuleContext): void {
  for (const node of nodes) {
    if (isInput(node)) continue
    values.set(
      node.name,
      computeNode(
        node,
        node.inputs.map(name => values.get(name)!),
        context,
      ),
    )
  }
}

/**
 * Inference: the values of `outputs`. Each other value is disposed once nothing reads it any more, so that memory holds what a layer
 * needs and not what a network has.
 * @param input the first node's value; disposed as the others are.
 * @returns new tensors, for the caller to dispose.
 */
export function runNodes(nodes: readonly TrainingNode[], input: tf.Tensor, outputs: ReadonlySet<string>, context: RuleContext): Values {
  const readers = new Map<string, number>()
  for (const name of nodes.flatMap(({ inputs }) => inputs)) readers.set(name, (readers.get(name) ?? 0) + 1)
  const values: Values = new Map([[nodes[0]!.name, input]])
  try {
    for (const node of nodes) {
      if (isInput(node)) continue
      const inputs = node.inputs.map(name => values.get(name)!)
      const value = tf.tidy(() => {
        const computed = computeNode(node, inputs, context)
        return inputs.includes(computed) ? tf.clone(computed) : computed
      })
      values.set(node.name, value)
      for (const name of node.inputs) {
        const left = readers.get(name)! - 1
        readers.set(name, left)
        if (left > 0 || outputs.has(name)) continue
        values.get(name)!.dispose()
        values.delete(name)
      }
    }
  } catch (error) {
    tf.dispose([...values.values()])
    throw error
  }
  return values
}
