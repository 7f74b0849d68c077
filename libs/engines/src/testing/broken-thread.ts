/** Entry of an engine thread in which one rule of the backward pass is wrong: `?rule=OP` of its URL. */
import type { OnnxNode } from '../onnx/graph.js'
import type { TrainingContext } from '../onnx/backward/context.js'
import type { TrainingNode } from '../onnx/backward/plan.js'
import { trainingRules } from '../onnx/backward/rules.js'

/** Rules without the ops that they are of: wrapping one is the same for all. */
type Rules = Record<string, { backward(node: TrainingNode, gradient: string, context: TrainingContext): void }>

/** Operator by which a wrong rule spoils a value, from the operator that makes it rightly. */
type Wrong = (made: OnnxNode, right: string) => Pick<OnnxNode, 'op' | 'inputs'>

const otherSign: Wrong = (_made, right) => ({ op: 'Neg', inputs: [right] })

/**
 * ReLU's is the gradient times a mask: what it should have cut off is left. Signs would cancel out on paths through an even number of them.
 */
const otherPart: Wrong = (made, right) => ({ op: 'Sub', inputs: [made.inputs[0]!, right] })

/** Puts a wrong value in the place of one that is there already, whatever reads it. */
function spoil({ nodes }: { readonly nodes: OnnxNode[] }, value: string, wrong: Wrong): void {
  const at = nodes.findLastIndex(({ outputs }) => outputs.includes(value))
  const [made, right] = [nodes[at]!, `${value}/right`]
  nodes[at] = { ...made, outputs: made.outputs.map(output => (output === value ? right : output)) }
  nodes.splice(at + 1, 0, { ...wrong(made, right), outputs: [value] })
}

/** Spoils what a rule passes on to the values that its node reads; parameters keep their gradients. */
function spoiled(right: Rules[string], wrong: Wrong): Rules[string] {
  return {
    ...right,
    backward: (node, gradient, context) => {
      const done = new Set<string>()
      const accumulate = context.accumulate.bind(context)
      context.accumulate = (name, value) => {
        if (!done.has(value)) spoil(context, value, wrong)
        done.add(value)
        accumulate(name, value)
      }
      try {
        right.backward(node, gradient, context)
      } finally {
        Reflect.deleteProperty(context, 'accumulate')
      }
    },
  }
}

const op = new URL(import.meta.url).searchParams.get('rule') ?? ''
const rules = trainingRules as unknown as Rules
const right = rules[op]
if (right === undefined) throw new Error(`there is no rule for ${op}`)
rules[op] = spoiled(right, op === 'relu' ? otherPart : otherSign)

await import('../thread/main.js')
