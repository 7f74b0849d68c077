import type { Output } from '../output/output.js'

/** Groups of flags, in the order of the help. `network` is the neural network; `server` is the HTTP side of `serve`. */
export const flagGroups = ['input', 'network', 'training', 'output', 'running', 'server', 'fleet'] as const
export type FlagGroup = (typeof flagGroups)[number]

/** Groups of commands, in the order of the help. */
export const commandGroups = ['Images', 'Features', 'Models', 'Fleet', 'Setup'] as const
export type CommandGroup = (typeof commandGroups)[number]

/** Kinds of values that shell completion finds on this machine or at a server. */
export type Completion =
  | 'file'
  | 'folder'
  | 'model'
  | 'network'
  | 'layer'
  | 'layers'
  | 'weights'
  | 'registered'
  | 'schedule'
  | 'run'
  | 'token'

/**
 * One flag of a command. Its value comes from exactly one of `required`, `needed`, `value` and `otherwise`.
 * A switch is off unless `otherwise` says more.
 */
export interface Flag {
  /** Spelling, as `--top <number>`, `-f, --file <spec>` or `--json`. */
  readonly flag: string
  readonly group: FlagGroup
  /** Description without choices and default; begins with a noun or a verb. */
  readonly text: string
  /** All values, where the set is closed. */
  readonly choices?: readonly string[]
  /** Whether several of the choices may be given, with commas. */
  readonly several?: boolean
  /** Some values of an open set, for completion only. */
  readonly known?: readonly string[]
  readonly complete?: Completion
  /** A command without it is refused. */
  readonly required?: boolean
  /** Places where a value is needed, in words, where the command itself sees that it is there. */
  readonly needed?: string
  /** Value that the action gets where the flag is not given. */
  readonly value?: string
  /** Meaning of leaving it out, in words; `none` where that means nothing. */
  readonly otherwise?: string
  /** Environment variable that gives the value too. */
  readonly env?: string
  /** May be given more than once; the action gets a list. */
  readonly repeated?: boolean
  /** Not part of the help. */
  readonly hidden?: boolean
}

/** One argument of a command: `<name>` is required, `[name]` is not, `[name...]` takes several. */
export interface Argument {
  readonly name: string
  readonly text: string
  readonly complete?: Completion
  readonly choices?: readonly string[]
}

/** Work of a command; loaded when it is called. Returns the exit code where it is not 0. */
export type Action = (output: Output, options: never, ...args: never[]) => Promise<number | void>

/** One command, or a command with commands below it. */
export interface CommandDefinition {
  readonly name: string
  /** Heading in the list of commands. */
  readonly group?: CommandGroup
  /** Not part of the help. */
  readonly hidden?: boolean
  /** One line that says what it does; begins with a verb. */
  readonly text: string
  readonly arguments?: readonly Argument[]
  /** Flags; a function where finding them loads modules, which only the command that is called shall pay for. */
  readonly flags?: readonly Flag[] | (() => Promise<readonly Flag[]>)
  /** Command lines without the leading `layermill`; at least one where there is an action. */
  readonly examples: readonly string[]
  readonly commands?: readonly CommandDefinition[]
  readonly action?: Action
}

/** The flags of a command, whichever way they are given. */
export async function flagsOf({ flags = [] }: CommandDefinition): Promise<readonly Flag[]> {
  return typeof flags === 'function' ? flags() : flags
}

/** Long spelling of a flag, as `--top`. */
export const longName = ({ flag }: Pick<Flag, 'flag'>): string => /--[a-z0-9-]+/.exec(flag)?.[0] ?? flag

/** Whether a flag takes a value. */
export const takesValue = ({ flag }: Pick<Flag, 'flag'>): boolean => /[<[]/.test(flag)
