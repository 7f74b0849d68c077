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

/** y * x / |x|^2 would fail at 0: p * x^(p - 1). Of the exponent y * log(x), and 0 where there is no logarithm. */
const pow: GradientRule = ({ inputs: [base, exponent], output }, gradient, context) => {
  context.accumulateSpread(base, output, () => {
    const lowered = context.op('Pow', [base!, context.op('Sub', [exponent!, context.number(1)])])
    return context.mul(gradient, context.mul(lowered, exponent!))
  })
  context.accumulateSpread(exponent, output, () => {
    const logarithm = context.op('Log', [context.op('Max', [base!, context.number(1e-30)])])
    return context.mul(gradient, context.mul(output, context.mul(context.mask('Greater', base!, 0), logarithm)))
  })
}

/** The larger or smaller of several: shared where they are equal, as PyTorch has it. */
const extreme: GradientRule = ({ inputs, output }, gradient, context) => {
  const masks = inputs.map(input => context.mask('Equal', input, output))
  const share = inputs.length === 1 ? gradient : context.op('Div', [gradient, context.op('Sum', masks)])
  inputs.forEach((input, i) => context.accumulateSpread(input, output, () => context.mul(share, masks[i]!)))
}

const mean: GradientRule = ({ inputs, output }, gradient, context) => {
  for (const input of inputs) context.accumulateSpread(input, output, () => context.mul(gradient, 1 / inputs.length))
}

/** 1 for what is positive, else a slope that is learned. */
const parametric: GradientRule = ({ inputs: [input, slope], output }, gradient, context) => {
  const negative = context.mask('Less', input!, 0)
  context.accumulate(input, () => {
    const positive = context.sub(context.number(1), negative)
    return context.mul(gradient, context.add(positive, context.mul(negative, slope!)))
  })
  context.accumulateSpread(slope, output, () => context.mul(gradient, context.mul(negative, input!)))
}

/** Of s * a * (exp(x / d) - 1) where x is negative, else s * x. */
const exponential = (context: GradientContext, input: string, factors: { scale: number; alpha: number; divisor: number }): string => {
  const { scale, alpha, divisor } = factors
  const positive = context.mask('Greater', input, 0)
  const low = context.mul(
    context.op('Exp', [context.mul(context.op('Min', [input, context.number(0)]), 1 / divisor)]),
    (scale * alpha) / divisor,
  )
  return context.add(context.mul(positive, scale), context.mul(context.sub(context.number(1), positive), low))
}

/** x * sigmoid(alpha * x). */
const swish = (context: GradientContext, input: string, alpha: number): string => {
  const gate = context.op('Sigmoid', [alpha === 1 ? input : context.mul(input, alpha)])
  const rest = context.mul(context.mul(input, alpha), context.sub(context.number(1), gate))
  return context.mul(gate, context.add(rest, 1))
}

/** x * tanh(softplus(x)). */
const mish = times((input, _, context) => {
  const tanh = context.op('Tanh', [context.op('Softplus', [input])])
  const steep = context.mul(context.sub(context.number(1), context.mul(tanh, tanh)), context.op('Sigmoid', [input]))
  return context.add(tanh, context.mul(input, steep))
})

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

const gelu = times((input, _, context, node) => geluSlope(input, node.text('approximate', 'none') === 'none', context))

function geluSlope(input: string, isExact: boolean, context: GradientContext): string {
  if (isExact) {
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
}

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
  'com.microsoft.Gelu': times((input, _, context) => geluSlope(input, true, context)),
  'com.microsoft.QuickGelu': times((input, _, context, node) => swish(context, input, node.float('alpha', 1.702))),
  Cast: (node, gradient, context) => context.accumulate(node.inputs[0], () => context.op('CastLike', [gradient, node.inputs[0]!])),
  CastLike: (node, gradient, context) => context.accumulate(node.inputs[0], () => context.op('CastLike', [gradient, node.inputs[0]!])),
  Celu: times((input, _, context, node) =>
    exponential(context, input, { scale: 1, alpha: node.float('alpha', 1), divisor: node.float('alpha', 1) }),
  ),
  // Ones for values that were not cut off, bounds included, as PyTorch has it.
  Clip: times((input, output, context) => context.mask('Equal', input, output)),
  Cos: times((input, _, context) => context.op('Neg', [context.op('Sin', [input])])),
  Div: div,
  Dropout: pass,
  Elu: times((input, _, context, node) => exponential(context, input, { scale: 1, alpha: node.float('alpha', 1), divisor: 1 })),
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
  Max: extreme,
  Mean: mean,
  Min: extreme,
  Mish: mish,
  Mul: mul,
  Neg: (node, gradient, context) => context.accumulate(node.inputs[0], () => context.op('Neg', [gradient])),
  PRelu: parametric,
  Pow: pow,
  Reciprocal: times((_, output, context) => context.op('Neg', [context.mul(output, output)])),
  Relu: times((_, output, context) => context.mask('Greater', output, 0)),
  Selu: times((input, _, context, node) =>
    exponential(context, input, {
      scale: node.float('gamma', 1.0507009873554805),
      alpha: node.float('alpha', 1.6732632423543772),
      divisor: 1,
    }),
  ),
  Sigmoid: sigmoid,
  Sin: times((input, _, context) => context.op('Cos', [input])),
  Softplus: times((input, _, context) => context.op('Sigmoid', [input])),
  // 1 / (1 + |x|)^2
  Softsign: times((input, _, context) => {
    const inverse = context.op('Reciprocal', [context.add(context.op('Abs', [input]), 1)])
    return context.mul(inverse, inverse)
  }),
  Sqrt: times((_, output, context) => context.op('Div', [context.number(0.5), output])),
  Sub: sub,
  Sum: add,
  Swish: times((input, _, context, node) => swish(context, input, node.float('alpha', 1))),
  ThresholdedRelu: times((input, _, context, node) => context.mask('Greater', input, node.float('alpha', 1))),
  Tanh: times((_, output, context) => context.sub(context.number(1), context.mul(output, output))),
  Where: where,
}
