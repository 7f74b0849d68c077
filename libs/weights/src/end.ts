import { type Architecture, definitionOf, type GraphVariant, type Layout, type NameRule, type Network } from '@layermill/models'
import { elementCount, formatShape } from '@layermill/core'
import { fitsLayout } from './layouts.js'
import type { FileView } from './names/view.js'
import type { TensorEntry } from './types.js'

type Shapes = ReadonlyMap<string, readonly number[]>

/** The end of a network as a file has it. */
export interface NetworkEnd {
  readonly variant: Pick<GraphVariant, 'classes' | 'auxiliaryClasses' | 'without'>
  /** Sources of the parameters that have a name of their own in this file. */
  readonly rules: ReadonlyMap<string, NameRule>
  /** Names in the file that belong to another end and are not read. */
  readonly unread: readonly string[]
  /** Remarks on it, for people. */
  readonly notes: readonly string[]
}

/** Links of the linear layers behind the features, first to last; the last gives the scores. */
const chainOf = (architecture: Architecture): readonly string[] => definitionOf(architecture)?.head ?? []
/** Links of the classifiers beside the main one. */
const auxiliaryOf = (architecture: Architecture): readonly string[] => definitionOf(architecture)?.auxiliary?.classifiers ?? []

/** A linear layer that no name of the scheme points at. */
interface Leftover {
  readonly module: string
  readonly names: readonly string[]
  readonly weight: string | undefined
  readonly bias: string | undefined
}

const weightPattern = /(\.weight|\/W|\/kernel|\[0\])$/
const biasPattern = /(\.bias|\/b|\/bias|\[1\])$/
/** Modules that people put a head of their own into; PyTorch has no rule for their names. */
const headModules =
  /^(fc|head|heads|classifier|last_linear|linear|output|out|logits|pre_logits|projector|projection|projection_head|mlp)\d*\./

const trimmed = (shape: readonly number[]): number => shape.slice(shape.findIndex(size => size !== 1)).length

/** A head's tensors are vectors and matrices; a kernel that is left over belongs to another network. */
function mayBeHead(view: FileView, name: string, entry: TensorEntry): boolean {
  if (view.scheme.ignorable.some(pattern => pattern.test(name))) return false
  if (entry.shape.length > 2 && trimmed(entry.shape) > 2) return false
  return view.scheme.id === 'torchvision' || view.scheme.id === 'timm' ? headModules.test(name) : true
}

function groupsOf(names: readonly string[]): Leftover[] {
  const groups = new Map<string, string[]>()
  for (const name of names) {
    const module = name.replace(/(\.[^.]+|\/[^/]+|\[\d+\])$/, '')
    groups.set(module, [...(groups.get(module) ?? []), name])
  }
  return [...groups].map(([module, own]) => ({
    module,
    names: own,
    weight: own.length <= 2 ? own.find(name => weightPattern.test(name)) : undefined,
    bias: own.length === 2 ? own.find(name => biasPattern.test(name)) : undefined,
  }))
}

/** Finds the end of a network in a file, one classifier after the other. */
class EndFinder {
  readonly rules = new Map<string, NameRule>()
  readonly without: string[] = []
  readonly notes: string[] = []
  private leftover: Leftover[]
  /** Whether tensors that are left over may be of a head that is not read. */
  private otherHead = false

  constructor(
    private readonly view: FileView,
    private readonly network: Pick<Network, 'architecture'>,
    private readonly shapes: Shapes,
  ) {
    const claimed = new Set<string>()
    for (const parameter of shapes.keys()) {
      const rule = this.rule(parameter)
      for (const source of [rule?.source, rule?.dividedBy, rule?.minus]) if (source !== undefined) claimed.add(source)
    }
    const inside = [...view.file.entries]
      .filter(([name, entry]) => !claimed.has(name) && mayBeHead(view, name, entry))
      .map(([name]) => name)
    const beside = [...view.outside.keys()].filter(
      name => (!claimed.has(name) || view.file.entries.has(name)) && !view.scheme.ignorable.some(pattern => pattern.test(name)),
    )
    this.leftover = groupsOf([...inside, ...beside])
  }

  private rule(parameter: string): NameRule | undefined {
    return this.view.scheme.rule(this.network.architecture, parameter)
  }

  private entry(name: string): TensorEntry | undefined {
    return this.view.file.entries.get(name) ?? this.view.outside.get(name)
  }

  /** Scores that a weight gives, where it takes what the link takes. */
  private scores(link: string, layout: Layout, found: readonly number[]): number | undefined {
    const inputs = this.shapes.get(`${link}/W`)![1]!
    const count = elementCount(found) / inputs
    return Number.isSafeInteger(count) && count > 0 && fitsLayout(layout, found, [count, inputs]) ? count : undefined
  }

  /** Whether the link is in the file under the scheme's own name: as the network has it, with other numbers, or not at all. */
  private state(link: string, anyCount: boolean): { kind: 'own'; count: number } | { kind: 'other' | 'absent' } {
    const rule = this.rule(`${link}/W`)
    const entry = rule === undefined ? undefined : this.entry(rule.source)
    const bias = this.rule(`${link}/b`)?.source
    const [outputs] = this.shapes.get(`${link}/W`)!
    if (rule === undefined || entry === undefined)
      return bias !== undefined && this.entry(bias) !== undefined ? { kind: 'own', count: outputs! } : { kind: 'absent' }
    const count = this.scores(link, rule.layout ?? 'same', entry.shape)
    return count !== undefined && (anyCount || count === outputs) ? { kind: 'own', count } : { kind: 'other' }
  }

  /** The one leftover layer that takes what a classifier takes and has its name, or is alone. */
  private successor(link: string, named: boolean): Leftover | undefined {
    const own = groupsOf([this.rule(`${link}/W`)?.source ?? ''])[0]!.module
    const alike = this.leftover.filter(({ module }) => module.startsWith(own) || module.startsWith(`${own.split('/')[0]}/`))
    const candidates = alike.length > 0 || named ? alike : this.leftover
    const [candidate] = candidates
    if (candidates.length !== 1 || candidate?.weight === undefined || (candidate.bias === undefined && !this.mayLackBias(candidate)))
      return undefined
    return this.scores(link, this.layoutOf(link, candidate.weight), this.entry(candidate.weight)!.shape) === undefined
      ? undefined
      : candidate
  }

  /**
   * A matrix alone is a linear layer without bias where Keras calls it a kernel; elsewhere it may as well be class centres or a bank of
   * features.
   */
  private mayLackBias({ names }: Leftover): boolean {
    return names.length === 1 && this.view.scheme.id === 'keras'
  }

  /** Zeros for the bias of a classifier that the file has without one. */
  private withoutBias(link: string): void {
    this.rules.set(`${link}/b`, { source: this.rule(`${link}/b`)?.source ?? `${link}/b`, whenAbsent: 'zero' })
    this.notes.push(`${link} has no bias in the file`)
  }

  private layoutOf(link: string, weight: string): Layout {
    const layout = this.rule(`${link}/W`)?.layout ?? 'same'
    return layout === 'same' && this.entry(weight)!.shape.length > 2 && this.view.file.format === 'safetensors' ? 'flatten' : layout
  }

  /** Takes a layer of another name as a classifier; the number of its scores. */
  private adopt(link: string, { module, names, weight, bias }: Leftover): number {
    const layout = this.layoutOf(link, weight!)
    const count = this.scores(link, layout, this.entry(weight!)!.shape)!
    this.rules.set(`${link}/W`, { source: weight!, layout })
    if (bias !== undefined) this.rules.set(`${link}/b`, { source: bias })
    this.leftover = this.leftover.filter(group => group.names !== names)
    this.notes.push(`${link} is ${module} of the file, with ${count} ${count === 1 ? 'score' : 'scores'}`)
    if (bias === undefined) this.withoutBias(link)
    return count
  }

  /** Leaves out a classifier that the file does not have; false where its absence is an error. */
  private leaveOut(links: readonly string[]): boolean {
    // A .caffemodel that was cut between two layers is a valid one without its end.
    if (this.view.file.format === 'caffemodel' && this.leftover.length === 0) return false
    this.without.push(...links)
    this.otherHead = true
    return true
  }

  /** The main classifier: the number of its scores, undefined where it is left out or misfits. */
  main(): number | undefined {
    const chain = chainOf(this.network.architecture).filter(link => this.shapes.has(`${link}/W`))
    if (this.fixedHead()) {
      this.leaveOut(chain)
      return undefined
    }
    for (const [i, link] of chain.entries()) {
      const last = i === chain.length - 1
      const state = this.state(link, last)
      if (state.kind === 'own') {
        if (!last) continue
        if (this.lacksBias(link)) this.withoutBias(link)
        return state.count
      }
      if (last && state.kind === 'absent') {
        const successor = this.successor(link, false)
        if (successor !== undefined) return this.adopt(link, successor)
      }
      if (last && state.kind === 'other' && !this.hasHiddenLayer(link)) return undefined
      this.leaveOut(chain.slice(i))
      return undefined
    }
    return undefined
  }

  /** Whether a layer that is left over takes what the classifier takes: then the file's own classifier is behind it. */
  private hasHiddenLayer(link: string): boolean {
    return this.leftover.some(
      ({ weight }) => weight !== undefined && this.scores(link, this.layoutOf(link, weight), this.entry(weight)!.shape) !== undefined,
    )
  }

  /** Whether the file has the classifier's weight alone; a `.caffemodel` that was cut off may look so. */
  private lacksBias(link: string): boolean {
    const [weight, bias] = ['W', 'b'].map(kind => this.rule(`${link}/${kind}`)?.source)
    if (this.view.file.format === 'caffemodel' || weight === undefined || bias === undefined) return false
    return this.entry(weight) !== undefined && this.entry(bias) === undefined
  }

  /** Whether the file itself says that its end is no plain classifier behind mean pooling. */
  private fixedHead(): boolean {
    return this.view.file.model?.otherHead !== undefined
  }

  auxiliary(link: string): number | undefined {
    if (!this.shapes.has(`${link}/W`) || this.rule(`${link}/W`) === undefined) return undefined
    const state = this.state(link, true)
    if (state.kind === 'own') return state.count
    const branch = this.rule(`${link.replace(/2$/, '1')}/W`)
    if (state.kind !== 'absent' || branch === undefined || this.entry(branch.source) === undefined) return undefined
    const successor = this.successor(link, true)
    return successor === undefined ? undefined : this.adopt(link, successor)
  }

  unread(): string[] {
    // Own names of links that are left out belong to the other head too.
    const own = this.without.flatMap(link => ['W', 'b'].map(kind => this.rule(`${link}/${kind}`)?.source ?? ''))
    const left = this.otherHead
      ? this.leftover.flatMap(({ names }) => names)
      : [...this.view.outside.keys()].filter(name => this.leftover.some(({ names }) => names.includes(name)))
    return [...left, ...own.filter(name => this.view.file.entries.has(name))]
  }
}

function describeUnread(view: FileView, unread: readonly string[], without: readonly string[]): string[] {
  if (without.length === 0 && unread.length === 0) return []
  const shown = unread.slice(0, 4).map(name => {
    const entry = view.file.entries.get(name) ?? view.outside.get(name)
    return `${view.outside.has(name) ? name : view.nameOf(name)} ${formatShape(entry!.shape)}`
  })
  const rest = unread.length > shown.length ? ` and ${unread.length - shown.length} more` : ''
  if (without.length === 0) return [`not read: ${shown.join(', ')}${rest}`]
  if (unread.length === 0) return [`the file has no classifier: ${without.join(', ')} and what is behind are left out`]
  const reason = view.file.model?.otherHead ?? 'what happens between its layers is not in the file'
  return [
    `the file has a head of its own (${shown.join(', ')}${rest}), which is not read: ${reason}; ${without.join(', ')} and what is behind are left out`,
  ]
}

/**
 * The end that a file has: its number of classes, layers that are not there, and a classifier of another name. What is before the end
 * must be there as the network has it.
 */
export function findEnd(view: FileView, network: Pick<Network, 'architecture'>, shapes: Shapes): NetworkEnd {
  const finder = new EndFinder(view, network, shapes)
  const auxiliaryLinks = auxiliaryOf(network.architecture)
  const auxiliary = auxiliaryLinks.map(link => finder.auxiliary(link)).find(count => count !== undefined)
  const count = finder.main()
  const { without, notes, rules } = finder
  const unread = finder.unread()
  const all = [...notes, ...describeUnread(view, unread, without), ...(view.file.model?.notes ?? [])]
  const classifier = chainOf(network.architecture).at(-1)!
  const scoresOnly = count === 1 || view.file.model?.scoresOnly === true
  if (count !== undefined && scoresOnly)
    all.push(`${classifier} gives ${count === 1 ? 'one score' : 'scores that are no shares of one whole'}: there are no probabilities`)
  const left = count !== undefined && scoresOnly ? [...without, 'prob'] : without
  const different = (found: number | undefined, link: string): boolean => found !== undefined && found !== shapes.get(`${link}/W`)?.[0]
  return {
    variant: {
      ...(different(count, classifier) ? { classes: count! } : {}),
      ...(different(auxiliary, auxiliaryLinks[0] ?? '') ? { auxiliaryClasses: auxiliary! } : {}),
      ...(left.length > 0 ? { without: left.toSorted() } : {}),
    },
    rules,
    unread,
    notes: all,
  }
}

/** A network's parameters with another end. */
export function shapesWithEnd(architecture: Architecture, shapes: Shapes, variant: GraphVariant): Map<string, readonly number[]> {
  const { classes, auxiliaryClasses, without = [] } = variant
  const classifier = chainOf(architecture).at(-1)!
  const counts = new Map([[classifier, classes], ...auxiliaryOf(architecture).map(link => [link, auxiliaryClasses] as const)])
  const result = new Map<string, readonly number[]>()
  for (const [parameter, shape] of shapes) {
    const link = parameter.slice(0, parameter.lastIndexOf('/'))
    if (without.includes(link)) continue
    const count = counts.get(link)
    result.set(parameter, count === undefined ? shape : [count, ...shape.slice(1)])
  }
  return result
}

/** How many scores the classifier of a network with these parameters gives; 0 without one. */
export function scoresOf(architecture: Architecture, shapes: Shapes): number {
  return shapes.get(`${chainOf(architecture).at(-1)!}/W`)?.[0] ?? 0
}
