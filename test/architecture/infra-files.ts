import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { workspaceRoot } from './workspace.js'

export const root = workspaceRoot()

export const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

/** Names of the files of a folder of infra. */
export const filesOf = (folder: string): string[] => readdirSync(path.join(root, folder)).toSorted()

/** A value of parsed YAML or JSON, to be looked into by path. */
export type Value = unknown

/** Value at a path of keys and indices; undefined where a step leads nowhere. */
export function at(value: Value, ...keys: readonly (string | number)[]): Value {
  let found = value
  for (const key of keys) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined
    found = Object.getOwnPropertyDescriptor(found, key)?.value
  }
  return found
}

/** The text at a path; '' where there is something else. */
export function textAt(value: Value, ...keys: readonly (string | number)[]): string {
  const found = at(value, ...keys)
  return typeof found === 'string' ? found : ''
}

/** Entries of a mapping; none of anything else. */
export const entriesOf = (value: Value): [string, Value][] =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []

/** Items of a sequence; none of anything else. */
export const itemsOf = (value: Value): Value[] => (Array.isArray(value) ? (value as Value[]) : [])

/** The compose file, with its anchors merged. */
export const composeFile = (): Value => parse(read('infra/compose.yaml'), { merge: true }) as Value

export interface Manifest {
  /** Path below infra/kubernetes. */
  readonly file: string
  readonly kind: string
  readonly name: string
  readonly value: Value
}

/** Files of the Kubernetes manifests, those of the component for GPUs included. */
export const manifestFiles = (): string[] =>
  ['', 'gpu/'].flatMap(folder =>
    filesOf(`infra/kubernetes/${folder}`)
      .filter(file => file.endsWith('.yaml'))
      .map(file => `${folder}${file}`),
  )

/** Every object of the Kubernetes manifests, the example of secrets included. */
export function kubernetesManifests(): Manifest[] {
  return manifestFiles().flatMap(file =>
    parseAllDocuments(read(`infra/kubernetes/${file}`)).map(document => {
      if (document.errors[0] !== undefined) throw document.errors[0]
      const value: Value = document.toJS()
      return { file, kind: String(at(value, 'kind')), name: String(at(value, 'metadata', 'name')), value }
    }),
  )
}

/** Whether an image is named by an exact version. */
export const isPinned = (image: string): boolean => /:v?\d+\.\d+(\.\d+)?([.-][\w.-]+)?(@sha256:[0-9a-f]{64})?$/.test(image)

/** Flags of a command and whether each takes a value, from the program's own help. */
function flagsOf(command: string): Map<string, boolean> {
  const help = execFileSync(process.execPath, [path.join(root, 'apps/cli/bin/layermill.js'), command, '--help'], { encoding: 'utf8' })
  return new Map([...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)( <)?/gm)].map(([, flag = '', value]) => [flag, value !== undefined]))
}

const commands = new Map<string, Map<string, boolean>>()

/** Faults in the arguments of `layermill` in an image or manifest: `--flag value` and `--flag=value` alike. */
export function commandViolations(args: readonly string[]): string[] {
  const [command = '', ...rest] = args.flatMap(arg =>
    /^--[a-z-]+=/.test(arg) ? [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)] : [arg],
  )
  if (!['serve', 'worker'].includes(command)) return [`no part of a fleet is started by ${command}`]
  const known = commands.get(command) ?? flagsOf(command)
  commands.set(command, known)
  const found: string[] = []
  const given: string[] = []
  for (let i = 0; i < rest.length; i++) {
    const flag = rest[i] ?? ''
    given.push(flag)
    if (!known.has(flag)) found.push(`${command} has no flag ${flag}`)
    // Command lines are seen by all processes and in descriptions of pods, and a queue's URL has a password.
    if (flag === '--queue') found.push('the URL of the queue belongs into the environment')
    if (known.get(flag) === false) continue
    const value = rest[++i]
    if (value === undefined || value.startsWith('--')) found.push(`${flag} lacks its value`)
  }
  const needed = ['--host', command === 'serve' ? '--port' : '--health-port']
  return [...found, ...needed.filter(flag => !given.includes(flag)).map(flag => `${command} is given no ${flag}`)]
}

/** The value of a flag among arguments. */
export function flagValue(args: readonly string[], flag: string): string | undefined {
  const joined = args.find(arg => arg.startsWith(`${flag}=`))
  if (joined !== undefined) return joined.slice(flag.length + 1)
  const index = args.indexOf(flag)
  return index < 0 ? undefined : args[index + 1]
}
