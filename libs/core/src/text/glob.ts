/** Whether a text is a glob: `*`, `**`, `?`, `[a-z]`, `{a,b}`. */
export const isGlob = (text: string): boolean => /[*?[{]/.test(text)

type Test = (character: string) => boolean

/** A piece of a glob: one character, any number of them, or one of several sequences. */
type Piece = { readonly one: Test } | { readonly many: Test } | { readonly options: readonly Piece[][] }

/** One state of the automaton: with a test it consumes a character, without one it only leads on. */
interface State {
  readonly test: Test | undefined
  readonly to: number[]
}

const any: Test = () => true

/**
 * Reads pieces up to the end, or within braces up to a comma or the closing brace. @throws SyntaxError for braces or sets that do not close
 */
function readPieces(characters: readonly string[], from: number, inBraces: boolean, within: Test): { pieces: Piece[]; end: number } {
  const pieces: Piece[] = []
  let i = from
  while (i < characters.length) {
    const character = characters[i]!
    if (inBraces && (character === ',' || character === '}')) break
    const close = character === '[' ? characters.indexOf(']', i + 2) : -1
    if (character === '*') {
      const across = characters[i + 1] === '*'
      if (across) i++
      pieces.push({ many: across ? any : within })
    } else if (character === '?') pieces.push({ one: within })
    else if (close >= 0) {
      const set = characters
        .slice(i + 1, close)
        .join('')
        .replaceAll(/[\\[]/g, '\\$&')
      // One character at a time: there is nothing to try again.
      const rule = new RegExp(`^[${set.startsWith('!') ? `^${set.slice(1)}` : set}]$`, 'us')
      pieces.push({ one: found => rule.test(found) })
      i = close
    } else if (character === '{') {
      const options: Piece[][] = []
      do {
        const option = readPieces(characters, i + 1, true, within)
        options.push(option.pieces)
        i = option.end
      } while (characters[i] === ',')
      if (characters[i] !== '}') throw new SyntaxError('a brace that does not close')
      pieces.push({ options })
    } else pieces.push({ one: found => found === character })
    i++
  }
  return { pieces, end: i }
}

/** Adds the states of a sequence from its end on; returns the one that it begins at. */
function addStates(states: State[], pieces: readonly Piece[], next: number): number {
  const add = (test: Test | undefined, to: number[]): number => states.push({ test, to }) - 1
  return pieces.reduceRight((after, piece) => {
    if ('one' in piece) return add(piece.one, [after])
    if ('options' in piece)
      return add(
        undefined,
        piece.options.map(option => addStates(states, option, after)),
      )
    const start = add(undefined, [after])
    states[start]!.to.push(add(piece.many, [start]))
    return start
  }, next)
}

/**
 * A glob for names of layers. `*` and `?` stay within a part of a name, `**` does not; parts are parted by `separators`, by default dots and
 * slashes. Followed as an automaton: the
 * time is at most the length of the name times that of the glob, whoever wrote either. A glob that does not close is its own text.
 */
export function globMatcher(glob: string, separators = './'): (name: string) => boolean {
  const states: State[] = [{ test: undefined, to: [] }]
  let first: number
  try {
    first = addStates(states, readPieces(Array.from(glob), 0, false, character => !separators.includes(character)).pieces, 0)
  } catch {
    return name => name === glob
  }
  /** Adds the states that are reached without a character; a set goes on to what is added to it meanwhile. */
  const reach = (reached: Set<number>): Set<number> => {
    for (const id of reached) if (states[id]!.test === undefined) for (const next of states[id]!.to) reached.add(next)
    return reached
  }
  return name => {
    let reached = reach(new Set([first]))
    for (const character of name) {
      const next = new Set<number>()
      for (const id of reached) if (states[id]!.test?.(character) === true) for (const to of states[id]!.to) next.add(to)
      if (next.size === 0) return false
      reached = reach(next)
    }
    return reached.has(0)
  }
}
