import { constantOf } from '../read/normalise.js'
import { smallNumbers } from '../read/parse-tensor.js'
import { bool, type GraphDef, int64, type TensorDef } from '../types.js'
import { axisOf, type Context, type Info, int, ints, numbersOf, type Size, unknown } from './info.js'

/** Facts on the outputs of one node. */
type InferNode = (context: Context) => Info[]

/** Facts on an initializer or constant. */
export function infoOf(tensor: TensorDef): Info {
  const numbers = smallNumbers(tensor, '')
  return { type: tensor.type, dims: tensor.dims, ...(numbers === undefined ? {} : { numbers }) }
}

/** Facts on the outputs of a graph within a node, which may take values from outside. */
function outputsOf(graph: GraphDef, given: readonly Info[], context: Context, infer: InferNode): Info[] {
  const values = new Map<string, Info>([...graph.initializers].map(([name, tensor]) => [name, infoOf(tensor)]))
  graph.inputs.forEach(({ name, type }, i) => {
    const info = given[i] ?? unknown
    values.set(name, { ...info, type: info.type || type })
  })
  const scope = (name: string): Info => values.get(name) ?? context.scope?.(name) ?? unknown
  for (const node of graph.nodes) {
    const constant = constantOf(node)
    const inferred =
      constant === undefined ? infer({ node, inputs: node.inputs.map(scope), opset: context.opset, scope }) : [infoOf(constant)]
    node.outputs.forEach((name, i) => values.set(name, inferred[i] ?? unknown))
  }
  return graph.outputs.map(({ name, type }) => {
    const info = scope(name)
    return { ...info, type: info.type || type }
  })
}

const graphOf = ({ node }: Context, name: string): GraphDef | undefined => node.attributes.get(name)?.graphs[0]

/** Facts that hold for either of two values. */
function either(one: Info, other: Info): Info {
  const type = one.type === other.type ? one.type : 0
  if (one.dims === undefined || one.dims.length !== other.dims?.length) return { type }
  return { type, dims: one.dims.map((size, i) => (size === other.dims![i] ? size : undefined)) }
}

const withoutNumbers = ({ numbers: _numbers, ...info }: Info): Info => info

/** The branch that is taken, where the condition is known for this size of images; else all that both agree on. */
function branches(context: Context, infer: InferNode): Info[] {
  const results = (name: string): Info[] | undefined => {
    const graph = graphOf(context, name)
    return graph && outputsOf(graph, [], context, infer)
  }
  const condition = numbersOf(context, 0)?.[0]
  if (condition !== undefined) return results(condition === 0 ? 'else_branch' : 'then_branch') ?? []
  const [one, other] = [results('then_branch'), results('else_branch')]
  return one?.map((info, i) => either(info, other?.[i] ?? unknown)) ?? []
}

/** Facts on values that each turn of a body renews and that hold before the first turn and after any. */
function settled(start: readonly Info[], turn: (state: readonly Info[]) => Info[]): { state: Info[]; outputs: Info[] } {
  let state = start.map(withoutNumbers)
  for (;;) {
    const outputs = turn(state)
    const next = state.map((info, i) => either(info, outputs[i] ?? unknown))
    // Each round leaves sizes open or changes nothing, so it ends.
    if (JSON.stringify(next) === JSON.stringify(state)) return { state, outputs }
    state = next
  }
}

/** A value of each turn, one behind the other along a new dimension. */
function stacked(info: Info, turns: Size, axis = 0): Info {
  if (info.dims === undefined) return { type: info.type }
  const at = axisOf(axis, info.dims.length + 1)
  return { type: info.type, dims: [...info.dims.slice(0, at), turns, ...info.dims.slice(at)] }
}

function loop(context: Context, infer: InferNode): Info[] {
  const body = graphOf(context, 'body')
  if (body === undefined) return []
  const [, , ...start] = context.inputs
  const counters: Info[] = [
    { type: int64, dims: [] },
    { type: bool, dims: [] },
  ]
  const { state, outputs } = settled(start, values => outputsOf(body, [...counters, ...values], context, infer).slice(1))
  // A condition may end it sooner; without one it runs as often as it is told.
  const turns = (context.node.inputs[1] ?? '') === '' ? numbersOf(context, 0)?.[0] : undefined
  return [...state, ...outputs.slice(state.length).map(info => stacked(info, turns))]
}

function scan(context: Context, infer: InferNode): Info[] {
  const body = graphOf(context, 'body')
  const count = int(context, 'num_scan_inputs', 0)
  // Before opset 9 it took a batch of sequences.
  if (body === undefined || context.opset < 9) return []
  const start = context.inputs.slice(0, context.inputs.length - count)
  const taken = context.inputs.slice(start.length).map((info, i): { slice: Info; turns?: Size } => {
    if (info.dims === undefined) return { slice: { type: info.type } }
    const at = axisOf(ints(context, 'scan_input_axes')?.[i] ?? 0, info.dims.length)
    return { slice: { type: info.type, dims: info.dims.filter((_, axis) => axis !== at) }, turns: info.dims[at] }
  })
  const slices = taken.map(({ slice }) => slice)
  const turns = taken.map(each => each.turns).find(size => size !== undefined)
  const { state, outputs } = settled(start, values => outputsOf(body, [...values, ...slices], context, infer))
  const axes = ints(context, 'scan_output_axes')
  return [...state, ...outputs.slice(state.length).map((info, i) => stacked(info, turns, axes?.[i]))]
}

/** Rules of operators with graphs within. */
export const controls: ReadonlyMap<string, (context: Context, infer: InferNode) => Info[]> = new Map([
  ['If', branches],
  ['Loop', loop],
  ['Scan', scan],
])
