import { LayermillError } from '@layermill/core'

/** A piece of a pattern. `star` is any run within a part of a path, `folders` any number of whole folders, `rest` all that is below. */
export type GlobNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'any' | 'star' | 'folders' | 'rest' }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[]; readonly source: string }
  | { readonly kind: 'numbers'; readonly from: number; readonly to: number; readonly width: number }
  | { readonly kind: 'alternatives'; readonly options: readonly GlobNode[][] }

const longest = 4096
/** Braces within braces; the readers below call themselves for each. */
const deepest = 20

const code = (text: string): number => text.codePointAt(0) ?? 0

/**
 * Reads the text of a pattern: `*`, `?`, `**` as a whole part, `[a-z]`, `[!a-z]`, `{a,b}`, `{000..099}` and `\` before any of these. All
 * else stands for itself, parentheses and `!` too.
 *
 * @throws LayermillError `SOURCE_KIND` for one over 4,096 characters, or with braces in braces more than 20 deep
 */
export function parseGlob(pattern: string): GlobNode[] {
  if (pattern.length > longest)
    throw new LayermillError('SOURCE_KIND', `a pattern of ${pattern.length} characters; expected at most ${longest}`)
  return new GlobReader(Array.from(pattern)).sequence(0, 0, pattern.length).nodes
}

/** Whether a text holds a pattern at all. */
export function isGlob(text: string): boolean {
  return parseGlob(text).some(({ kind }) => kind !== 'text')
}

class GlobReader {
  private readonly closers: ReadonlyMap<number, number>

  constructor(private readonly text: readonly string[]) {
    this.closers = closingBraces(text)
  }

  /** The nodes from `start` up to a top-level `,` or `end`. */
  sequence(start: number, depth: number, limit: number): { nodes: GlobNode[]; end: number } {
    if (depth > deepest) throw new LayermillError('SOURCE_KIND', `a pattern with braces in braces more than ${deepest} deep`)
    const nodes: GlobNode[] = []
    const stop = Math.min(limit, this.text.length)
    let at = start
    while (at < stop) {
      if (depth > 0 && this.text[at] === ',') break
      const { node, end } = this.node(at, stop, start, depth)
      const last = nodes.at(-1)
      if (node.kind === 'text' && last?.kind === 'text') nodes[nodes.length - 1] = { kind: 'text', text: last.text + node.text }
      else if (!(node.kind === 'star' && last?.kind === 'star')) nodes.push(node)
      at = end
    }
    return { nodes, end: at }
  }

  private node(at: number, stop: number, start: number, depth: number): { node: GlobNode; end: number } {
    const char = this.text[at]!
    if (char === '\\' && at + 1 < stop) return { node: { kind: 'text', text: this.text[at + 1]! }, end: at + 2 }
    if (char === '?') return { node: { kind: 'any' }, end: at + 1 }
    if (char === '*') return this.stars(at, stop, start, depth)
    if (char === '[') return this.class(at, stop)
    if (char === '{') return this.braces(at, stop, depth)
    return { node: { kind: 'text', text: char }, end: at + 1 }
  }

  private stars(at: number, stop: number, start: number, depth: number): { node: GlobNode; end: number } {
    let end = at
    while (end < stop && this.text[end] === '*') end++
    const opens = at === start || this.text[at - 1] === '/'
    if (end - at < 2 || !opens) return { node: { kind: 'star' }, end }
    if (this.text[end] === '/' && end < stop) return { node: { kind: 'folders' }, end: end + 1 }
    const closes = end === stop || (depth > 0 && this.text[end] === ',')
    return { node: { kind: closes ? 'rest' : 'star' }, end }
  }

  private class(at: number, stop: number): { node: GlobNode; end: number } {
    const negated = this.text[at + 1] === '!' || this.text[at + 1] === '^'
    const first = at + (negated ? 2 : 1)
    // A ']' at the beginning is one of the characters.
    let close = first + 1
    while (close < stop && this.text[close] !== ']' && this.text[close] !== '/') close++
    if (close >= stop || this.text[close] !== ']') return { node: { kind: 'text', text: '[' }, end: at + 1 }
    const ranges: [number, number][] = []
    for (let i = first; i < close; i++) {
      const from = code(this.text[i]!)
      const isRange = this.text[i + 1] === '-' && i + 2 < close
      ranges.push([from, isRange ? code(this.text[i + 2]!) : from])
      if (isRange) i += 2
    }
    return { node: { kind: 'class', negated, ranges, source: this.text.slice(at, close + 1).join('') }, end: close + 1 }
  }

  private braces(at: number, stop: number, depth: number): { node: GlobNode; end: number } {
    const close = this.closers.get(at)
    const literal = { node: { kind: 'text', text: '{' } as const, end: at + 1 }
    if (close === undefined || close >= stop) return literal
    const range = rangeOf(this.text.slice(at + 1, close).join(''))
    if (range !== undefined) return { node: range, end: close + 1 }
    const options: GlobNode[][] = []
    for (let start = at + 1; start <= close; start++) {
      const { nodes, end } = this.sequence(start, depth + 1, close)
      options.push(nodes)
      start = end
    }
    return options.length < 2 ? literal : { node: { kind: 'alternatives', options }, end: close + 1 }
  }
}

function closingBraces(text: readonly string[]): Map<number, number> {
  const open: number[] = []
  const closers = new Map<number, number>()
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '{') open.push(at)
    else if (text[at] === '}') {
      const start = open.pop()
      if (start !== undefined) closers.set(start, at)
    }
  }
  return closers
}

function rangeOf(text: string): GlobNode | undefined {
  const [, first, last] = /^(\d{1,12})\.\.(\d{1,12})$/.exec(text) ?? []
  if (first !== undefined && last !== undefined) {
    const isPadded = /^0\d/.test(first) || /^0\d/.test(last)
    const [from, to] = [Number(first), Number(last)]
    return { kind: 'numbers', from: Math.min(from, to), to: Math.max(from, to), width: isPadded ? Math.max(first.length, last.length) : 0 }
  }
  const [, low, high] = /^([a-zA-Z])\.\.([a-zA-Z])$/.exec(text) ?? []
  if (low === undefined || high === undefined) return undefined
  const [from, to] = [code(low), code(high)].sort((a, b) => a - b) as [number, number]
  return {
    kind: 'alternatives',
    options: Array.from({ length: to - from + 1 }, (_, i) => [{ kind: 'text', text: String.fromCharCode(from + i) }]),
  }
}

/** A text as a pattern that stands for it alone. */
const escaped = (text: string): string => text.replaceAll(/[\\*?[\]{},]/g, '\\$&')

/** Splits a pattern into the whole folders before any wildcard, and the rest. `base` holds plain names: it is '' or ends with a '/'. */
export function splitGlob(pattern: string): { base: string; rest: string } {
  const [first] = parseGlob(pattern)
  const fixed = first?.kind === 'text' ? first.text : ''
  const end = fixed.lastIndexOf('/')
  if (end < 0) return { base: '', rest: pattern }
  let at = 0
  for (let read = 0; read <= end; read++) at += pattern[at] === '\\' ? 2 : 1
  return { base: fixed.slice(0, end + 1), rest: pattern.slice(at) }
}

/**
 * The texts that a pattern's braces stand for, in their order: names where nothing else is left to match, else patterns.
 *
 * @throws LayermillError `SOURCE_KIND` where they are more than `most`
 */
export function expandBraces(pattern: string, most: number): { text: string; isGlob: boolean }[] {
  const tooMany = (): LayermillError => new LayermillError('SOURCE_KIND', `${pattern} stands for more than ${most} names`)
  const expand = (nodes: readonly GlobNode[]): string[] => {
    let texts = ['']
    for (const node of nodes) {
      const options = optionsOf(node, most, tooMany, expand)
      if (texts.length * options.length > most) throw tooMany()
      texts = texts.flatMap(text => options.map(option => text + option))
    }
    return texts
  }
  return expand(parseGlob(pattern)).map(text => {
    const nodes = parseGlob(text)
    const isPattern = nodes.some(({ kind }) => kind !== 'text')
    return { text: isPattern ? text : nodes.map(node => (node.kind === 'text' ? node.text : '')).join(''), isGlob: isPattern }
  })
}

function optionsOf(
  node: GlobNode,
  most: number,
  tooMany: () => LayermillError,
  expand: (nodes: readonly GlobNode[]) => string[],
): string[] {
  switch (node.kind) {
    case 'text':
      return [escaped(node.text)]
    case 'class':
      return [node.source]
    case 'numbers':
      if (node.to - node.from >= most) throw tooMany()
      return Array.from({ length: node.to - node.from + 1 }, (_, i) => String(node.from + i).padStart(node.width, '0'))
    case 'alternatives': {
      const options = node.options.flatMap(option => expand(option))
      if (options.length > most) throw tooMany()
      return options
    }
    default:
      return [{ any: '?', star: '*', folders: '**/', rest: '**' }[node.kind]]
  }
}
