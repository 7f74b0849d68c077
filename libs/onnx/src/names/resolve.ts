import { globMatcher, isGlob, LayermillError, nearestNames, printableName } from '@layermill/core'
import type { Graph } from '../read/normalise.js'
import { type Folded, findFolded, foldedNorm } from './folded.js'
import { type Call, findModules, type LayerValues, type Modules } from './modules.js'
import { blockedValues } from '../shapes/runtime.js'
import { isNobodys, ownScopesOf, scopesOf } from './scopes.js'
import { borrowerOf, type LateWeight, lateWeights, modulesOfWeights } from './weights.js'

/** A layer that was asked for. */
export interface Layer {
  /** Its name in results. */
  readonly name: string
  /** The graph's value. */
  readonly value: string
  /** A remark for people. */
  readonly remark?: string
}

/** Most candidates that an error names. */
const shown = 8

/** Operators that ONNX Runtime's optimizer fuses an activation into. */
const activated = new Set(['FusedConv', 'FusedGemm'])

const quoted = (names: readonly string[]): string =>
  `${names.slice(0, shown).map(printableName).join(', ')}${names.length > shown ? ` and ${names.length - shown} others` : ''}`

/** The layers of one graph by all the names that they have. */
export class LayerNames {
  readonly modules: Modules
  readonly folded: readonly Folded[]
  private readonly laterCalls: ReadonlyMap<string, string>
  private readonly late: ReadonlyMap<string, LateWeight>
  private readonly weights = new Map<string, Call>()
  /** Modules that are never called, with those that use their weights instead. */
  private readonly borrowed = new Map<string, string>()
  private readonly nodes = new Map<string, string[]>()

  /**
   * @param file name in messages
   * @param layerValues the values that can be layers: real numbers that depend on the image
   * @param realValues those, and real numbers that depend on nothing or on sizes alone, which are found by their very names
   */
  constructor(
    private readonly file: string,
    private readonly graph: Graph,
    private readonly layerValues: LayerValues,
    private readonly realValues: LayerValues = layerValues,
  ) {
    const { modules, laterCalls } = findModules(graph, layerValues)
    this.modules = modules
    this.laterCalls = laterCalls
    this.late = lateWeights(graph, modules)
    this.folded = findFolded(graph, layerValues)
    for (const [path, call] of modulesOfWeights(graph, layerValues)) {
      const borrower = borrowerOf(graph, path, call)
      if (borrower === undefined || this.modules.has(path)) this.weights.set(path, call)
      else this.borrowed.set(path, borrower)
    }
    for (const node of graph.nodes) {
      const outputs = node.outputs.filter(name => realValues.has(name))
      if (node.name !== '' && outputs.length > 0) this.nodes.set(node.name, [...(this.nodes.get(node.name) ?? []), ...outputs])
    }
  }

  /** Whether a value has this very name. */
  isValue(name: string): boolean {
    return this.realValues.has(name)
  }

  /** The values that can be layers, in the order of the graph. */
  get values(): LayerValues {
    return this.layerValues
  }

  /**
   * The layers that a name stands for: one, or several for a glob and for a module that is called several times.
   * @throws LayermillError `LAYER_UNKNOWN`, with where it went or the nearest names; `LAYER_AMBIGUOUS`, with the candidates
   */
  resolve(asked: string): Layer[] {
    const found =
      this.prefixed(asked) ??
      this.value(asked) ??
      this.node(asked) ??
      this.module(asked) ??
      this.call(asked) ??
      this.shared(asked) ??
      this.byWeights(asked) ??
      this.byNorm(asked) ??
      this.version(asked) ??
      this.glob(asked) ??
      this.ending(asked)
    if (found !== undefined) return found
    throw this.missing(asked)
  }

  /** `value:`, `node:` and `module:` say of what kind a name is. */
  private prefixed(asked: string): Layer[] | undefined {
    const match = /^(value|node|module):(.+)$/s.exec(asked)
    if (match === null || this.realValues.has(asked)) return undefined
    const name = match[2]!
    if (match[1] === 'value') return this.value(name)
    return match[1] === 'node' ? this.node(name) : (this.module(name) ?? this.call(name))
  }

  private value(asked: string): Layer[] | undefined {
    if (!this.realValues.has(asked)) return undefined
    const calls = this.modules.get(asked)
    const other = calls !== undefined && !calls.some(({ value }) => value === asked)
    return [{ name: asked, value: asked, ...(other ? { remark: `the value of this name; the module is module:${asked}` } : {}) }]
  }

  private node(asked: string): Layer[] | undefined {
    const values = this.nodes.get(asked)
    if (values === undefined) return undefined
    if (values.length > 1) throw this.ambiguous(asked, values)
    return [{ name: asked, value: values[0]! }]
  }

  /** The module or activation that was fused into the node of a path, which gives the value behind it. */
  private fusedInto(path: string, value: string): string | undefined {
    const node = this.graph.nodes[this.graph.producers.get(value) ?? -1]
    const own = node === undefined ? undefined : ownScopesOf(node)?.paths
    if (node === undefined || own?.includes(path) !== true) return undefined
    const named = scopesOf(node, value)?.paths
    if (named?.includes(path) === false) return named.at(-1)
    return path === own.at(-1) && activated.has(node.op) ? node.attributes.get('activation')?.text || 'its activation' : undefined
  }

  private remark(path: string, value: string): string | undefined {
    const last = this.fusedInto(path, value)
    if (last !== undefined) return `the value after ${last}, which was fused into it`
    const late = this.late.get(value)
    if (late?.weight.startsWith(`${path}.`) === true)
      return `a value within it: ${late.weight} is used behind it, by what gives ${late.user}`
    const folded = this.folded.find(item => item.path === path)
    if (folded?.named === 'convolution') return 'the value after the normalisation that was folded into this convolution'
    if (folded !== undefined) return `the value after ${folded.convolution}, which was folded into this normalisation`
    const outside = this.folded.find(
      item => item.convolution.startsWith(`${path}.`) && item.path !== path && !item.path.startsWith(`${path}.`) && item.value !== value,
    )
    if (outside === undefined) {
      const last = this.folded.find(item => item.value === value && item.named === 'convolution' && item.path.startsWith(`${path}.`))
      if (last !== undefined) return `the value after the normalisation that was folded into its last convolution, ${last.path}`
      const next = this.unclaimed(value)
      return next && `it may end with ${next}, of which the exporter does not say whose it is`
    }
    return `a value within it: its last convolution, ${outside.convolution}, was folded into ${outside.path}, which has the value after both`
  }

  /** The value that follows, where nothing but nodes of no module take this one: an optimizer that rewrote them lost their modules. */
  private unclaimed(value: string): string | undefined {
    const takers = (this.graph.consumers.get(value) ?? []).map(node => this.graph.nodes[node]!)
    const producer = this.graph.producers.get(value)
    const exporter = producer === undefined ? undefined : scopesOf(this.graph.nodes[producer]!)?.exporter
    const loses = exporter === 'dynamo' || exporter === 'torchscript'
    return loses && takers.every(isNobodys) ? takers[0]?.outputs[0] : undefined
  }

  private layer(name: string, path: string, value: string): Layer {
    const last = this.folded.find(item => item.convolution.startsWith(`${path}.`) && this.taken(item.value) === value)
    if (last?.named === 'normalisation' && !last.path.startsWith(`${path}.`)) {
      return {
        name,
        value: last.value,
        remark: `the value after ${last.path}, which was folded into its last convolution, ${last.convolution}`,
      }
    }
    const remark = this.remark(path, value)
    return { name, value, ...(remark === undefined ? {} : { remark }) }
  }

  /** First input of the node that a value comes from. */
  private taken(value: string): string | undefined {
    return this.graph.nodes[this.graph.producers.get(value) ?? -1]?.inputs[0]
  }

  private module(asked: string): Layer[] | undefined {
    const path = this.modules.has(asked) ? asked : asked.replaceAll('.', '/')
    const calls = this.modules.get(path)
    if (calls === undefined) {
      const later = this.laterCalls.get(asked)
      return later === undefined ? undefined : this.call(later)?.map(layer => ({ ...layer, name: asked }))
    }
    if (calls.length === 1) return [this.layer(asked, path, calls[0]!.value)]
    return calls.map((call, i) => this.layer(`${asked}#${i}`, path, call.value))
  }

  /** `layer1.0.relu#1`: the second call. */
  private call(asked: string): Layer[] | undefined {
    const match = /^(.+)#(\d+)$/s.exec(asked)
    const calls = match === null ? undefined : this.modules.get(match[1]!)
    if (calls === undefined) return undefined
    const call = calls[Number(match![2])]
    if (call !== undefined) return [this.layer(asked, match![1]!, call.value)]
    throw new LayermillError(
      'LAYER_UNKNOWN',
      `${this.file}: ${match![1]} is called ${calls.length === 1 ? 'once' : `${calls.length} times`}`,
      {
        hint: `its calls are ${calls.map((_, i) => `${match![1]}#${i}`).join(', ')}`,
      },
    )
  }

  /** A module that others hold under names of their own, which the file has instead: its weights, that all of them use, bear its name. */
  private shared(asked: string): Layer[] | undefined {
    const paths = new Set<string>()
    for (const [module, { nodes }] of this.weights) {
      if (module !== asked && !module.startsWith(`${asked}.`)) continue
      const rest = module === asked ? `.${asked.split('.').at(-1)}` : module.slice(asked.length)
      for (const node of nodes) {
        const own = ownScopesOf(this.graph.nodes[node]!)?.paths.at(-1)
        if (own?.endsWith(rest) === true) paths.add(module === asked ? own : own.slice(0, own.length - rest.length))
      }
    }
    const remark = `${asked} under another name, by its weights`
    const layers = [...paths].flatMap(path => (this.modules.has(path) ? this.module(path)! : [])).map(layer => ({ remark, ...layer }))
    return layers.length > 0 ? layers : undefined
  }

  private byWeights(asked: string): Layer[] | undefined {
    const folded = this.folded.find(item => item.named === 'normalisation' && item.convolution === asked)
    if (folded !== undefined) {
      return [{ name: asked, value: folded.value, remark: `the value after ${folded.path}, which was folded into this convolution` }]
    }
    const call = this.weights.get(asked)
    return call === undefined ? undefined : [{ name: asked, value: call.value, remark: 'by the names of its weights' }]
  }

  private byNorm(asked: string): Layer[] | undefined {
    const folded = foldedNorm(this.folded, asked)
    return folded && [{ name: asked, value: folded.value, remark: `the value of ${folded.path}, into which this normalisation was folded` }]
  }

  /** Names without the exporter's ending: `conv1/7x7_s2` for `conv1/7x7_s2_1`, `input` for `input:0`. */
  private version(asked: string): Layer[] | undefined {
    const values = [...this.layerValues].filter(value => value === `${asked}:0` || /^(.+)_\d+$/s.exec(value)?.[1] === asked)
    // Made-up numbers are no versions: `relu_1` of today's exporter is another node's.
    if (values.length === 0 || this.modules.size > 0) return undefined
    if (values.length > 1) throw this.ambiguous(asked, values)
    return [{ name: asked, value: values[0]! }]
  }

  private glob(asked: string): Layer[] | undefined {
    if (!isGlob(asked)) return undefined
    const matches = globMatcher(asked)
    const paths = [...this.modules.keys(), ...[...this.weights.keys()].filter(path => !this.modules.has(path))].filter(matches)
    const layers = paths.flatMap(path => this.module(path) ?? this.byWeights(path) ?? [])
    const found = layers.length > 0 ? layers : [...this.layerValues].filter(matches).map(value => ({ name: value, value }))
    return found.length === 0 ? undefined : found
  }

  /** The end of one module's path: `encoder.layer.11` for `net.vit.encoder.layer.11`. */
  private ending(asked: string): Layer[] | undefined {
    const plain = asked.replaceAll('/', '.')
    const paths = [...this.modules.keys()].filter(path => path.replaceAll('/', '.').endsWith(`.${plain}`))
    if (paths.length > 1) throw this.ambiguous(asked, paths)
    const [path] = paths
    return path === undefined
      ? undefined
      : this.module(path)?.map(layer => ({ remark: `the value of ${path}`, ...layer, name: layer.name.replace(path, asked) }))
  }

  private ambiguous(asked: string, candidates: readonly string[]): LayermillError {
    return new LayermillError('LAYER_AMBIGUOUS', `${this.file}: '${printableName(asked)}' can be ${candidates.length} values`, {
      hint: `name one of ${quoted(candidates)}`,
    })
  }

  /** Why a name has no value, as far as the file tells. */
  private missing(asked: string): LayermillError {
    const refuse = (reason: string, hint: string): LayermillError => new LayermillError('LAYER_UNKNOWN', `${this.file} ${reason}`, { hint })
    const list = '`layermill models FILE` lists all'
    if (this.graph.initializers.has(asked)) return refuse(`has '${asked}' as a weight: it is the same for every image`, list)
    if (blockedValues(this.graph).has(asked)) {
      return refuse(
        `has the value '${printableName(asked)}' with its channels in blocks, as one kind of processor wants them`,
        'export the model again, or save it with ONNX Runtime at ORT_ENABLE_EXTENDED at most',
      )
    }
    if (this.graph.producers.has(asked) || this.graph.inputs.some(({ name }) => name === asked)) {
      return refuse(`has the value '${printableName(asked)}', but it is no layer: it holds no real numbers of the image`, list)
    }
    if (asked === '')
      return refuse('has no layer without a name', `for the whole network ask for ${quoted(this.graph.outputs.map(({ name }) => name))}`)
    const borrower = this.borrowed.get(asked)
    if (borrower !== undefined)
      return refuse(`has no value of '${asked}': it is never called, ${borrower} uses its weights itself`, `ask for ${borrower}; ${list}`)
    const members = [...this.modules.keys()].filter(path => path.startsWith(`${asked}.`) && !path.slice(asked.length + 1).includes('.'))
    if (members.length > 0)
      return refuse(`has no value of '${asked}': it is a list of modules that is never called itself`, `its members are ${quoted(members)}`)
    const parent = asked.slice(0, Math.max(0, asked.replace(/[:#].*$/s, '').lastIndexOf('.')))
    const known = [...this.modules.keys(), ...this.weights.keys(), ...(this.modules.size > 0 ? [] : this.layerValues)]
    const nearest = `did you mean ${nearestNames(asked, known.length > 0 ? known : [...this.layerValues])
      .map(printableName)
      .join(' or ')}? ${list}`
    if (this.modules.size === 0)
      return refuse(`has no value '${printableName(asked)}', and says nothing of modules: its exporter kept no names`, nearest)
    if (parent !== '' && this.modules.has(parent)) {
      return refuse(
        `has ${parent}, but no value of '${printableName(asked)}': what does nothing in inference (Identity, Dropout, DropPath) or was folded into another module leaves none`,
        nearest,
      )
    }
    return refuse(`has no layer '${printableName(asked)}'`, nearest)
  }
}
