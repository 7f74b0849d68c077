import type { NodeDef } from '../types.js'

export type Exporter = 'dynamo' | 'torchscript' | 'tf2onnx'

/** Module paths that a node lies in, outermost first, by the exporter that wrote them down. */
export interface Scopes {
  readonly exporter: Exporter
  readonly paths: readonly string[]
}

/** Texts of a Python list of strings, as `['', 'layer1', "it's"]`. */
function pythonTexts(list: string): string[] {
  const texts: string[] = []
  for (const match of list.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g))
    texts.push((match[1] ?? match[2] ?? '').replaceAll(/\\(.)/g, '$1'))
  return texts
}

const scopes = 'pkg.torch.onnx.name_scopes'

/** `torch.onnx.export` of today: first the network (''), last the operation itself. */
function dynamoPaths(list: string): string[] {
  return pythonTexts(list)
    .slice(0, -1)
    .filter(path => path !== '')
}

/** `/layer1/layer1.0/conv1/Conv`: a segment that begins with the one before it and a dot replaces it, the last one is the operator. */
function torchscriptPaths(name: string): string[] {
  const segments = name.split('/').slice(1, -1)
  const paths: string[] = []
  let outer = ''
  let before = ''
  for (const segment of segments) {
    if (before !== '' && segment.startsWith(`${before}.`)) outer = `${outer.slice(0, outer.length - before.length)}${segment}`
    else outer = outer === '' ? segment : `${outer}.${segment}`
    before = segment
    paths.push(outer)
  }
  return paths
}

/** `model/block1/conv2/Relu`: all segments but the operator's. */
function tensorflowPaths(name: string): string[] {
  const segments = name.split('/').slice(0, -1)
  return segments.map((_, i) => segments.slice(0, i + 1).join('/'))
}

/** Name of a value by TorchScript's exporter: its node's, and which output it is. It stays when ONNX Runtime's optimizer fuses nodes. */
const torchscriptValue = /^(\/.+)_output_\d+$/s
/** Text that ONNX Runtime's optimizer puts around the name of a node that others were fused into. */
const optimized = /^fused (?=\/)|\/[A-Za-z]+Fusion\/$/g
/** TorchScript's paths, by the value's name if it says them: of fused nodes it is the last one's. */
function torchscriptScopes(node: NodeDef, output: string): Scopes | undefined {
  const name = torchscriptValue.exec(output)?.[1] ?? node.name.replaceAll(optimized, '')
  const paths = name.startsWith('/') ? torchscriptPaths(name) : []
  return paths.length === 0 ? undefined : { exporter: 'torchscript', paths }
}

/** The modules that a node's name or metadata, or the name of its output puts it in; undefined where they say nothing. */
export function scopesOf(node: NodeDef, output = node.outputs[0] ?? ''): Scopes | undefined {
  const list = node.metadata.get(scopes)
  if (list !== undefined) return { exporter: 'dynamo', paths: dynamoPaths(list) }
  if (node.name.replaceAll(optimized, '').startsWith('/') || torchscriptValue.test(output)) return torchscriptScopes(node, output)
  if (
    node.name.includes('/') &&
    node.outputs.some(name => name.startsWith(node.name.split('/')[0]!) || name === node.name.split('/').at(-2))
  ) {
    return { exporter: 'tf2onnx', paths: tensorflowPaths(node.name) }
  }
  return undefined
}

/** The modules that a node's own name or metadata puts it in, whatever its output is called. */
export const ownScopesOf = (node: NodeDef): Scopes | undefined => scopesOf(node, '')

/** Whether nothing says whose a node is: neither it nor an exporter that names all of its nodes. */
export const isNobodys = (node: NodeDef): boolean =>
  scopesOf(node) === undefined && !node.name.startsWith('/') && !node.outputs.some(name => torchscriptValue.test(name))
