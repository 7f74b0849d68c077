import { type Argument, type CommandDefinition, type Completion, type Flag, flagsOf, longName, takesValue } from '../../command/command.js'
import { dynamicWords, type Given } from './dynamic-words.js'

/** Words that may stand at the cursor, and whether files may. */
export interface Candidates {
  readonly words: readonly string[]
  readonly files: boolean
}

/** A command line up to the word at the cursor, as its commands and flags read it. */
interface Read {
  readonly definition: CommandDefinition | undefined
  readonly flags: readonly Flag[]
  readonly below: readonly CommandDefinition[]
  /** The flag whose value stands at the cursor. */
  readonly open: Flag | undefined
  /** Arguments that stand before the cursor. */
  readonly given: readonly string[]
  /** Values of the flags before the cursor, by their long names. */
  readonly values: ReadonlyMap<string, string>
}

const spellings = ({ flag }: Flag): string[] => flag.match(/--?[a-z0-9][a-z0-9-]*/g) ?? []

async function read(words: readonly string[], commands: readonly CommandDefinition[]): Promise<Read> {
  let definition: CommandDefinition | undefined
  let below = commands
  let flags: readonly Flag[] = []
  let open: Flag | undefined
  const given: string[] = []
  const values = new Map<string, string>()
  for (const word of words) {
    if (open !== undefined) {
      values.set(longName(open), word)
      open = undefined
      continue
    }
    if (word.startsWith('-')) {
      const [name = '', value] = word.split('=', 2)
      const flag = flags.find(known => spellings(known).includes(name))
      if (flag === undefined || !takesValue(flag)) continue
      if (value === undefined) open = flag
      else values.set(longName(flag), value)
      continue
    }
    const next = given.length === 0 ? below.find(({ name }) => name === word) : undefined
    if (next === undefined) given.push(word)
    else {
      definition = next
      below = next.commands ?? []
      flags = await flagsOf(next)
    }
  }
  return { definition, flags, below, open, given, values }
}

/** Words for the value of a flag or for an argument. */
async function valueWords(
  { choices, known = [], complete, several = false }: Pick<Flag, 'choices' | 'known' | 'complete' | 'several'>,
  given: Given,
  current: string,
): Promise<Candidates> {
  const list = several || complete === 'layers'
  // Of a list with commas, the last item is completed; those before it are taken.
  const before = list && current.includes(',') ? current.slice(0, current.lastIndexOf(',') + 1) : ''
  const taken = new Set(before.split(','))
  const found = [...(choices ?? known), ...(complete === undefined ? [] : await dynamicWords(complete, given))]
  const files: readonly (Completion | undefined)[] = ['file', 'folder', 'model', 'weights']
  return {
    words: found.filter(word => !list || !taken.has(word)).map(word => `${before}${word}`),
    files: files.includes(complete),
  }
}

/** The argument that stands at a position; the last one may take several. */
function argumentAt({ arguments: args = [] }: CommandDefinition, position: number): Argument | undefined {
  const last = args.at(-1)
  return args[position] ?? (last?.name.includes('...') === true ? last : undefined)
}

/**
 * Words that may stand in the place of the last one: commands, flags, their choices, networks, layers, registered models, schedules.
 * @param line the command line after `layermill`; the last word may be empty
 * @param commands all there are
 */
export async function candidates(line: readonly string[], commands: readonly CommandDefinition[]): Promise<Candidates> {
  // Bash takes --flag=value for three words.
  const words = line.filter((word, i) => word !== '=' || i === line.length - 1).map(word => (word === '=' ? '' : word))
  const current = words.at(-1) ?? ''
  const { definition, flags, below, open, given, values } = await read(words.slice(0, -1), commands)
  const found: Given = { values, given }
  const starting = ({ words: all, files }: Candidates): Candidates => ({ words: all.filter(word => word.startsWith(current)), files })
  if (open !== undefined) return starting(await valueWords(open, found, current))
  const joined = /^(--[a-z0-9-]+)=(.*)$/.exec(current)
  const flag = joined === null ? undefined : flags.find(known => longName(known) === joined[1])
  if (flag !== undefined) {
    const values_ = await valueWords(flag, found, joined![2]!)
    return starting({ ...values_, words: values_.words.map(word => `${longName(flag)}=${word}`) })
  }
  if (current.startsWith('-')) {
    const unused = flags.filter(known => known.hidden !== true && (known.repeated === true || !values.has(longName(known))))
    return starting({ words: [...unused.map(longName), '--help'], files: false })
  }
  const names = given.length === 0 ? below.filter(({ hidden }) => hidden !== true).map(({ name }) => name) : []
  const argument = definition === undefined ? undefined : argumentAt(definition, given.length)
  const atArgument = argument === undefined ? { words: [], files: false } : await valueWords(argument, found, current)
  return starting({ words: [...names, ...atArgument.words], files: atArgument.files })
}
