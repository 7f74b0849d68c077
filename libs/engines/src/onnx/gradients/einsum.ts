import { text } from '../graph.js'
import type { GradientContext, GradientRule } from './context.js'

/** The letters of each operand's axes and of the result's. */
function lettersOf(equation: string): { operands: string[]; result: string } {
  const [left = '', right] = equation.replaceAll(' ', '').split('->')
  const letters = Array.from(left.replaceAll(',', ''))
  const once = letters.filter(letter => letters.indexOf(letter) === letters.lastIndexOf(letter))
  return { operands: left.split(','), result: right ?? once.toSorted().join('') }
}

/** An operand's gradient is the same sum with the gradient in its place; axes that only it had are as long as they were. */
const einsum: GradientRule = (node, gradient, context) => {
  const equation = node.text('equation', '')
  const { operands, result } = lettersOf(equation)
  const hasTwice = operands.some(operand => new Set(operand).size < operand.length)
  if (equation.includes('...') || hasTwice) throw new RangeError(`the product ${equation} has no gradient here`)
  operands.forEach((operand, i) =>
    context.accumulate(node.inputs[i], () => operandGradient(i, { operand, operands, result }, node.inputs, gradient, context)),
  )
}

function operandGradient(
  place: number,
  { operand, operands, result }: { operand: string; operands: readonly string[]; result: string },
  inputs: readonly string[],
  gradient: string,
  context: GradientContext,
): string {
  const others = operands.flatMap((letters, i) => (i === place ? [] : [{ letters, input: inputs[i]! }]))
  const known = result + others.map(({ letters }) => letters).join('')
  const kept = Array.from(operand).filter(letter => known.includes(letter))
  const terms = [result, ...others.map(({ letters }) => letters)].join(',')
  const made = context.op('Einsum', [gradient, ...others.map(({ input }) => input)], { equation: text(`${terms}->${kept.join('')}`) })
  if (kept.length === operand.length) return made
  const missing = Array.from(operand).flatMap((letter, axis) => (kept.includes(letter) ? [] : [axis]))
  return context.op('Expand', [context.op('Unsqueeze', [made, context.ints(...missing)]), context.shapeOf(inputs[place]!)])
}

/** The rule of products that are written in letters. */
export const einsumRules: Readonly<Record<string, GradientRule>> = { Einsum: einsum }
