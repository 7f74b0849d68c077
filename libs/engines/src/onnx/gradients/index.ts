import type { OnnxInitializer, OnnxNode } from '../graph.js'
import { arrangingRules } from './arrange.js'
import { type ForwardGraph, GradientContext, gradientNode, type GradientRule } from './context.js'
import { composedRules } from './composed.js'
import { einsumRules } from './einsum.js'
import { elementwiseRules } from './elementwise.js'
import { indexRules } from './indices.js'
import { productRules } from './products.js'
import { reducingRules } from './reduce.js'
import { resizeRules } from './resize.js'
import { windowRules } from './windows.js'

export type { Dims, ForwardGraph } from './context.js'

/** The gradient of each operator of ONNX that has one here. */
export const gradientRules: Readonly<Record<string, GradientRule>> = {
  ...arrangingRules,
  ...composedRules,
  ...einsumRules,
  ...elementwiseRules,
  ...indexRules,
  ...productRules,
  ...reducingRules,
  ...resizeRules,
  ...windowRules,
}

/** Operators whose results say where, which or how many, or move in steps: no gradient passes through them, and none is missing. */
const passNone = new Set(
  'And ArgMax ArgMin Ceil ConstantOfShape Equal Floor Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual NonZero Not OneHot Or Range Round Shape Sign Size Xor'.split(
    ' ',
  ),
)

/** TensorProto's types of real numbers: float32, float16, float64, bfloat16. */
const reals = new Set([1, 10, 11, 16])

function passes({ op, attributes }: OnnxNode): boolean {
  return op === 'Cast' ? reals.has(Number(attributes?.['to']?.value)) : !passNone.has(op)
}

/** Values through which gradients of wanted ones pass, and these. */
function reached(nodes: readonly OnnxNode[], wanted: readonly string[]): Set<string> {
  const values = new Set(wanted)
  for (const node of nodes) {
    if (!passes(node) || !node.inputs.some(input => values.has(input))) continue
    for (const output of node.outputs) if (output !== '') values.add(output)
  }
  return values
}

/** Nodes on a way from wanted values to a result, in their order. */
function between(nodes: readonly OnnxNode[], wanted: readonly string[], results: readonly string[]): OnnxNode[] {
  const values = reached(nodes, wanted)
  const asked = new Set(results)
  const found: OnnxNode[] = []
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some(output => asked.has(output) && values.has(output))) continue
    for (const input of node.inputs) asked.add(input)
    found.push(node)
  }
  return found.toReversed()
}

/** Operators between wanted values and results that have no rule here, each once; where there are none, the gradients can be computed. */
export function withoutGradient(nodes: readonly OnnxNode[], wanted: readonly string[], results: readonly string[]): string[] {
  const ops = between(nodes, wanted, results).map(({ op }) => op)
  return [...new Set(ops)].filter(op => !Object.hasOwn(gradientRules, op)).toSorted()
}

function ruleOf(op: string): GradientRule {
  if (!Object.hasOwn(gradientRules, op)) throw new RangeError(`${op} has no gradient here`)
  return gradientRules[op]!
}

export interface Gradients {
  /** Nodes and constants to append to the forward pass. */
  readonly nodes: readonly OnnxNode[]
  readonly initializers: ReadonlyMap<string, OnnxInitializer>
  /** By wanted value, the value that holds its gradient; left out where nothing depends on it. */
  readonly gradients: ReadonlyMap<string, string>
}

/**
 * Gradients by one rule an operator, from the last node to the first.
 * @param seeds gradients of results, by result: values that the caller makes
 * @param wanted inputs or weights
 * @throws RangeError for an operator without a rule (see `withoutGradient`), and for a form of one that its rule does not cover
 */
export function graphGradients(forward: ForwardGraph, seeds: ReadonlyMap<string, string>, wanted: readonly string[]): Gradients {
  const context = new GradientContext(forward, reached(forward.nodes, wanted), ruleOf)
  for (const [result, seed] of seeds) context.accumulate(result, () => seed)
  for (const node of between(forward.nodes, wanted, [...seeds.keys()]).toReversed()) {
    const known = node.outputs.map(output => context.gradient(output))
    const first = known.find(gradient => gradient !== undefined)
    if (first === undefined) continue
    ruleOf(node.op)(gradientNode(node), first, context, known)
  }
  const gradients = wanted.flatMap(value => {
    const gradient = context.gradient(value)
    return gradient === undefined ? [] : [[value, gradient] as const]
  })
  return { nodes: context.nodes, initializers: context.initializers, gradients: new Map(gradients) }
}
