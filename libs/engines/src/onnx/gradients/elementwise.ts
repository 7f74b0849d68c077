import { float } from '../graph.js'
import type { GradientContext, GradientRule } from './context.js'

/** The rule of a function of one value: the gradient times a derivative. */
const times =
  (derivative: (input: string, output: string, context: GradientContext, node: Parameters<GradientRule>[0]) => string): GradientRule =>
  (node, gradient, context) =>
    context.accumulate(node.inputs[0], () => context.mul(gradient, derivative(node.inputs[0]!, node.output, context, node)))

const pass: GradientRule = (node, gradient, context) => context.accumulate(node.inputs[0], () => gradient)

const add: GradientRule = ({ inputs, output }, gradient, context) => {
  for (const input of inputs) context.accumulateSpread(input, output, () => gradient)
}

const sub: GradientRule = ({ inputs, output }, gradient, context) => {
  context.accumulateSpread(inputs[0], output, () => gradient)
  context.accumulateSpread(inputs[1], output, () => context.op('Neg', [gradient]))
}

const mul: GradientRule = ({ inputs: [a, b], output }, gradient, context) => {
  context.accumulateSpread(a, output, () => context.mul(gradient, b!))
  context.accumulateSpread(b, output, () => context.mul(gradient, a!))
}

const div: GradientRule = ({ inputs: [a, b], output }, gradient, context) => {
  context.accumulateSpread(a, output, () => context.op('Div', [gradient, b!]))
  context.accumulateSpread(b, output, () => context.op('Neg', [context.op('Div', [context.mul(gradient, output), b!])]))
}

/** y * x / |x|^2 would fail at 0: p * x^(p - 1). The exponent is a constant. */
const pow: GradientRule = ({ inputs: [base, exponent], output }, gradient, context) => {
  context.accumulateSpread(base, output, () => {
    const lowered = context.op('Pow', [base!, context.op('Sub', [exponent!, context.number(1)])])
    return context.mul(gradient, context.mul(lowered, exponent!))
  })
}

const sigmoid = times((_, output, context) => context.mul(output, context.sub(context.number(1), output)))

/** alpha where the value lies between 0 and 1. */
const hardSigmoid = times((_, output, context, node) => {
  const inside = context.mul(context.mask('Greater', output, 0), context.mask('Less', output, 1))
  return context.mul(inside, node.float('alpha', 0.2))
})

/** x * h(x) with h = clip(x / 6 + 1 / 2): h + x / 6 where h lies between 0 and 1. */
const hardSwish = times((input, _, context) => {
  const gate = context.op('HardSigmoid', [input], { alpha: float(1 / 6), beta: float(0.5) })
  const inside = context.mul(context.mask('Greater', gate, 0), context.mask('Less', gate, 1))
  return context.add(gate, context.mul(context.mul(inside, input), 1 / 6))
})

/** The derivative of a normal distribution's integral. */
const density = (input: string, context: GradientContext): string =>
  context.mul(context.op('Exp', [context.mul(context.mul(input, input), -0.5)]), 1 / Math.sqrt(2 * Math.PI))

const gelu = times((input, _, context, node) => {
  if (node.text('approximate', 'none') === 'none') {
    const integral = context.mul(context.add(context.op('Erf', [context.mul(input, Math.SQRT1_2)]), 1), 0.5)
    return context.add(integral, context.mul(input, density(input, context)))
  }
  // tanh(u) with u = c (x + a x^3).
  const [c, a] = [Math.sqrt(2 / Math.PI), 0.044715]
  const square = context.mul(input, input)
  const tanh = context.op('Tanh', [context.mul(context.mul(input, context.add(context.mul(square, a), 1)), c)])
  const slope = context.mul(context.add(context.mul(square, 3 * a), 1), c)
  const steep = context.mul(context.sub(context.number(1), context.mul(tanh, tanh)), slope)
  return context.mul(context.add(context.add(tanh, 1), context.mul(input, steep)), 0.5)
})

const where: GradientRule = ({ inputs: [condition, a, b], output }, gradient, context) => {
  const zero = context.number(0)
  context.accumulateSpread(a, output, () => context.op('Where', [condition!, gradient, zero]))
  context.accumulateSpread(b, output, () => context.op('Where', [condition!, zero, gradient]))
}

/** Rules of what is computed element by element. */
export const elementwiseRules: Readonly<Record<string, GradientRule>> = {
  Add: add,
  // Between types of real numbers; others end the way of a gradient before.
  Abs: times((input, _, context) => context.op('Sign', [input])),
  Cast: (node, gradient, context) => context.accumulate(node.inputs[0], () => context.op('CastLike', [gradient, node.inputs[0]!])),
  // Ones for values that were not cut off, bounds included, as PyTorch has it.
  Clip: times((input, output, context) => context.mask('Equal', input, output)),
  Div: div,
  Dropout: pass,
  Erf: times((input, _, context) =>
    context.mul(context.op('Exp', [context.op('Neg', [context.mul(input, input)])]), 2 / Math.sqrt(Math.PI)),
  ),
  Exp: times((_, output) => output),
  Gelu: gelu,
  HardSigmoid: hardSigmoid,
  HardSwish: hardSwish,
  Identity: pass,
  LeakyRelu: times((input, _, context, node) => {
    const positive = context.mask('Greater', input, 0)
    const alpha = node.float('alpha', 0.01)
    return context.add(context.mul(positive, 1 - alpha), alpha)
  }),
  Log: times((input, _, context) => context.op('Reciprocal', [input])),
  Mul: mul,
  Neg: (node, gradient, context) => context.accumulate(node.inputs[0], () => context.op('Neg', [gradient])),
  Pow: pow,
  Reciprocal: times((_, output, context) => context.op('Neg', [context.mul(output, output)])),
  Relu: times((_, output, context) => context.mask('Greater', output, 0)),
  Sigmoid: sigmoid,
  Softplus: times((input, _, context) => context.op('Sigmoid', [input])),
  Sqrt: times((_, output, context) => context.op('Div', [context.number(0.5), output])),
  Sub: sub,
  Sum: add,
  Tanh: times((_, output, context) => context.sub(context.number(1), context.mul(output, output))),
  Where: where,
}
