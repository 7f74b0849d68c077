import { LayermillError } from '@layermill/core'
import { type GlobNode, parseGlob } from './glob-pattern.js'

const slashCode = 47
const dot = 46
const nine = 57
/** States of a pattern's automaton; a pattern that needs more is no pattern of a person. */
const mostStates = 20_000
/** Numbers in kept sets of states; then they are found anew. */
const keptNumbers = 500_000

type Accepts = (code: number, atStart: boolean) => boolean

/** One state: with a test it consumes a character, without one it only leads on. */
interface State {
  readonly accepts: Accepts | undefined
  readonly to: number[]
}

const withinPart: Accepts = code => code !== slashCode
/** Characters that a wildcard may stand for: not a '/', and not a dot that hides a name. */
const visible: Accepts = (code, atStart) => code !== slashCode && !(atStart && code === dot)

/** Builds the states of a pattern from its end to its beginning. */
class Automaton {
  readonly states: State[] = [{ accepts: undefined, to: [] }]

  /** @returns the state that a sequence begins at, which leads to `next` */
  sequence(nodes: readonly GlobNode[], next: number): number {
    return nodes.reduceRight((after, node) => this.node(node, after), next)
  }

  private add(accepts: Accepts | undefined, to: readonly number[]): number {
    if (this.states.length >= mostStates)
      throw new LayermillError('SOURCE_KIND', 'a pattern with too many choices; list the images in a file instead')
    return this.states.push({ accepts, to: [...to] }) - 1
  }

  private node(node: GlobNode, next: number): number {
    switch (node.kind) {
      case 'text':
        return Array.from(node.text).reduceRight((after, char) => this.add(code => code === char.codePointAt(0), [after]), next)
      case 'any':
        return this.add(visible, [next])
      case 'class':
        return this.add(
          (code, atStart) => visible(code, atStart) && node.ranges.some(([from, to]) => code >= from && code <= to) !== node.negated,
          [next],
        )
      case 'star':
        return this.loop(visible, next)
      case 'folders':
      case 'rest':
        return this.parts(node.kind, next)
      case 'alternatives':
        return this.add(
          undefined,
          node.options.map(option => this.sequence(option, next)),
        )
      case 'numbers':
        return this.numbers(node.from, node.to, node.width, next)
    }
  }

  private loop(accepts: Accepts, next: number): number {
    const start = this.add(undefined, [next])
    this.states[start]!.to.push(this.add(accepts, [start]))
    return start
  }

  /** Any number of folders, and for `rest` a name below them. */
  private parts(kind: 'folders' | 'rest', next: number): number {
    const start = this.add(undefined, kind === 'folders' ? [next] : [])
    const slash = this.add(code => code === slashCode, [start])
    this.states[start]!.to.push(this.add(visible, [this.loop(withinPart, slash)]))
    if (kind === 'rest') this.states[start]!.to.push(this.add(visible, [this.loop(withinPart, next)]))
    return start
  }

  private numbers(from: number, to: number, width: number, next: number): number {
    const starts: number[] = []
    for (let digits = Math.max(width, String(from).length); digits <= Math.max(width, String(to).length); digits++) {
      const low = Math.max(from, width > 0 || digits === 1 ? 0 : 10 ** (digits - 1))
      const high = Math.min(to, 10 ** digits - 1)
      if (low <= high) starts.push(this.between(String(low).padStart(digits, '0'), String(high).padStart(digits, '0'), next))
    }
    return this.add(undefined, starts)
  }

  /** Numbers of as many digits as both bounds have. */
  private between(low: string, high: string, next: number): number {
    if (low === '') return next
    const [first, last] = [low.charCodeAt(0), high.charCodeAt(0)]
    const rest = low.length - 1
    const one = (digit: number, after: number): number => this.add(code => code === digit, [after])
    if (first === last) return one(first, this.between(low.slice(1), high.slice(1), next))
    const starts = [
      one(first, this.between(low.slice(1), '9'.repeat(rest), next)),
      one(last, this.between('0'.repeat(rest), high.slice(1), next)),
    ]
    if (last - first > 1) {
      const any = Array.from({ length: rest }).reduce<number>(after => this.add(code => code >= 48 && code <= nine, [after]), next)
      starts.push(this.add(code => code > first && code < last, [any]))
    }
    return this.add(undefined, starts)
  }
}

/** A set of states, and where each character leads. */
interface Reached {
  readonly ids: readonly number[]
  readonly atStart: boolean
  readonly next: Map<number, Reached>
}

/**
 * A pattern over the keys of a dataset (see `parseGlob`). It is followed as an automaton whose sets of states are kept once found: a key
 * takes time in proportion to its length, and never more than that times the length of the pattern.
 */
export class Glob {
  /** Folders deeper than this hold nothing that matches: of '/' the most that a matching key has. */
  readonly depth: number
  private readonly states: readonly State[]
  private readonly first: number
  private kept = new Map<string, Reached>()
  private keptNumbers = 0

  /** @throws LayermillError `SOURCE_KIND` for a pattern that is too long or has too many choices */
  constructor(pattern: string) {
    const nodes = parseGlob(pattern)
    const automaton = new Automaton()
    this.first = automaton.sequence(nodes, 0)
    this.states = automaton.states
    this.depth = depthOf(nodes)
  }

  matches(key: string): boolean {
    let reached = this.reach([this.first], true)
    for (const char of key) {
      if (reached.ids.length === 0) return false
      const code = char.codePointAt(0)!
      let next = reached.next.get(code)
      if (next === undefined) {
        next = this.step(reached, code)
        reached.next.set(code, next)
        this.keptNumbers++
      }
      reached = next
    }
    return reached.ids.includes(0)
  }

  private step({ ids, atStart }: Reached, code: number): Reached {
    const to = ids.flatMap(id => {
      const { accepts, to: targets } = this.states[id]!
      return accepts?.(code, atStart) === true ? targets : []
    })
    return this.reach(to, code === slashCode)
  }

  /** States that can be reached from these without a character. */
  private reach(from: readonly number[], atStart: boolean): Reached {
    const seen = new Set(from)
    for (const id of seen) {
      const { accepts, to } = this.states[id]!
      if (accepts === undefined) for (const next of to) seen.add(next)
    }
    const ids = [...seen].filter(id => id === 0 || this.states[id]!.accepts !== undefined).sort((a, b) => a - b)
    const name = `${atStart ? '/' : ''}${ids.join(',')}`
    const known = this.kept.get(name)
    if (known !== undefined) return known
    this.keptNumbers += ids.length + 16
    if (this.keptNumbers > keptNumbers) {
      this.kept = new Map()
      this.keptNumbers = 0
    }
    const reached = { ids, atStart, next: new Map<number, Reached>() }
    this.kept.set(name, reached)
    return reached
  }
}

function depthOf(nodes: readonly GlobNode[]): number {
  return nodes.reduce((depth, node) => {
    if (node.kind === 'folders' || node.kind === 'rest') return Infinity
    if (node.kind === 'alternatives') return depth + Math.max(...node.options.map(depthOf))
    return depth + (node.kind === 'text' ? node.text.split('/').length - 1 : 0)
  }, 0)
}
