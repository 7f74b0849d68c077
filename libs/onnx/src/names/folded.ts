import type { Graph } from '../read/normalise.js'
import type { LayerValues } from './modules.js'
import { ownScopesOf } from './scopes.js'
import { weightOf } from './weights.js'

/** A convolution with a normalisation folded into its weights. */
export interface Folded {
  /** The value after both. */
  readonly value: string
  /** The module that the file puts it in. */
  readonly path: string
  /** Whose path that is: TorchScript's exporter keeps the convolution's, the one of today the batch norm's. */
  readonly named: 'convolution' | 'normalisation'
  /** The convolution's path. */
  readonly convolution: string
}

const splitPath = (path: string): [parent: string, leaf: string] => {
  const at = path.lastIndexOf('.')
  return at < 0 ? ['', path] : [path.slice(0, at), path.slice(at + 1)]
}

/** Whether a module's name is one that batch norms have. */
const isNormName = (leaf: string): boolean => /^(bn|norm|batch_?norm|normalization)|(norm|bn)\d*$/i.test(leaf)

const convolutions = new Set(['Conv', 'ConvTranspose', 'FusedConv'])

/** Modules whose convolutions use weights that bear their names. */
function ownWeights(graph: Graph): Set<string> {
  const found = new Set<string>()
  for (const node of graph.nodes) {
    if (!convolutions.has(node.op)) continue
    const path = ownScopesOf(node)?.paths.at(-1)
    if (path !== undefined && weightOf(graph, node.inputs[1] ?? '') === `${path}.weight`) found.add(path)
  }
  return found
}

/** Whether a module is another one by a second name, whose weights both use: it is called by itself, or both are called the same within. */
const isShared = (path: string, own: string, used: ReadonlySet<string>): boolean =>
  used.has(own) || splitPath(path)[1] === splitPath(own)[1]

/** The convolutions of a file that hold a normalisation: their weights are not the ones of the module that they lie in. */
export function findFolded(graph: Graph, layerValues: LayerValues): Folded[] {
  const folded: Folded[] = []
  const used = ownWeights(graph)
  for (const node of graph.nodes) {
    const value = node.outputs[0] ?? ''
    if (!convolutions.has(node.op) || !layerValues.has(value)) continue
    const path = ownScopesOf(node)?.paths.at(-1)
    const weight = weightOf(graph, node.inputs[1] ?? '')
    if (path === undefined || weight === undefined) continue
    const own = /^(.+)\.weight$/.exec(weight)?.[1]
    if (weight.startsWith('onnx::')) folded.push({ value, path, named: 'convolution', convolution: path })
    else if (own !== undefined && own !== path && !own.startsWith(`${path}.`) && !isShared(path, own, used))
      folded.push({ value, path, named: 'normalisation', convolution: own })
  }
  return folded
}

/**
 * The folded convolution that a batch norm of this path went into, where names tell one: `bn2` of `conv2`, place 1 of a Sequential whose
 * place 0 it is, the second of those beside it, or the only one.
 */
export function foldedNorm(folded: readonly Folded[], path: string): Folded | undefined {
  const [parent, leaf] = splitPath(path)
  const siblings = folded.filter(item => item.named === 'convolution' && splitPath(item.path)[0] === parent)
  if (siblings.length === 0) return undefined
  const leaves = siblings.map(item => splitPath(item.path)[1])
  if (/^\d+$/.test(leaf)) return siblings[leaves.indexOf(String(Number(leaf) - 1))]
  if (!isNormName(leaf)) return undefined
  const number = /\d+$/.exec(leaf)?.[0]
  const same = siblings.filter((_, i) => /\d+$/.exec(leaves[i]!)?.[0] === number)
  if (same.length === 1) return same[0]
  if (number !== undefined && leaves.every(name => !/\d$/.test(name))) return siblings[Number(number) - 1]
  return siblings.length === 1 ? siblings[0] : undefined
}
