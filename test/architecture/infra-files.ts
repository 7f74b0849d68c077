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

/** What is at a path of keys and indices; undefined where a step leads nowhere. */
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
export const itemsOf = (value: Value): Value[] => Array.isArray(value) ? value as Value[] : []

/** The compose file, with its anchors merged. */
export const composeFile = (): Value => parse(read('infra/compose.yaml'), { merge: true }) as Value

export interface Manifest {
  readonly file: string
  readonly kind: string
  readonly name: string
  readonly value: Value
}

/** Every object of the Kubernetes manifests, the example of secrets included. */
export function kubernetesManifests(): Manifest[] {
  return filesOf('infra/kubernetes').flatMap(file => parseAllDocuments(read(`infra/kubernetes/${file}`)).map(document => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    const value: Value = document.toJS()
    return { file, kind: String(at(value, 'kind')), name: String(at(value, 'metadata', 'name')), value }
  }))
}

/** Whether an image is named by an exact version. */
export const isPinned = (image: string): boolean => /:v?\d+\.\d+(\.\d+)?([.-][\w.-]+)?(@sha256:[0-9a-f]{64})?$/.test(image)

/** Flags of the two commands that images and manifests start (DESIGN of the command line), each with a value. */
const flags: Readonly<Record<string, readonly string[]>> = {
  serve: ['--queue', '--host', '--port'],
  worker: ['--queue', '--device', '--engine', '--concurrency', '--host', '--port'],
}

/** What is wrong with the arguments of `layermill` in an image or manifest. */
export function commandViolations(args: readonly string[]): string[] {
  const [command = '', ...rest] = args
  const known = flags[command]
  if (known === undefined) return [`layermill has no command ${command}`]
  const given = rest.filter((_, i) => i % 2 === 0)
  const values = rest.filter((_, i) => i % 2 === 1)
  return [
    ...given.filter(flag => !known.includes(flag)).map(flag => `${command} has no flag ${flag}`),
    ...values.filter(value => value.startsWith('--')).map(value => `${value} stands where a value belongs`),
    ...(rest.length % 2 === 0 ? [] : [`${rest.at(-1)} lacks its value`]),
    ...['--queue', '--host', '--port'].filter(flag => !given.includes(flag)).map(flag => `${command} is given no ${flag}`),
  ]
}
