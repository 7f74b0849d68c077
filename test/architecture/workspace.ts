import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Expression, parseSync, Visitor } from 'oxc-parser'

/** The workspace's root folder: the nearest one above that holds nx.json, from the sources and from the compiled files alike. */
export function workspaceRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url))
  while (!existsSync(path.join(folder, 'nx.json'))) {
    const parent = path.dirname(folder)
    if (parent === folder) throw new Error('No folder above this file holds an nx.json')
    folder = parent
  }
  return folder
}

export interface SourceFile {
  /** From the workspace's root, `/` between parts. */
  readonly path: string
  readonly lines: number
  /** Modules that it imports, re-exports, requires or resolves, as written. */
  readonly imports: readonly string[]
}

export interface WorkspacePackage {
  readonly name: string
  /** From the workspace's root, as `libs/models`. */
  readonly folder: string
  readonly dependencies: readonly string[]
  readonly devDependencies: readonly string[]
  /** Subpaths that may be imported: `.` and what else `exports` names. */
  readonly exports: readonly string[]
  /** Folders that its tsconfig.json refers to, from the workspace's root. */
  readonly references: readonly string[]
  readonly files: readonly SourceFile[]
}

export interface Workspace {
  readonly packages: readonly WorkspacePackage[]
  /** Tools of the whole workspace, which tests may import. */
  readonly devDependencies: readonly string[]
}

interface Manifest {
  name: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  exports?: Record<string, unknown>
}

function isStringLiteral(node: Expression | undefined): node is Expression & { type: 'Literal'; value: string } {
  return node?.type === 'Literal' && typeof node.value === 'string'
}

/** `require`, `require.resolve` and `import.meta.resolve` name modules just as imports do. */
function isModuleLookup(callee: Expression): boolean {
  if (callee.type === 'Identifier') return callee.name === 'require'
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier' || callee.property.name !== 'resolve') return false
  return callee.object.type === 'MetaProperty' || (callee.object.type === 'Identifier' && callee.object.name === 'require')
}

/** Everything a TypeScript source imports, types included, in order. Throws where it does not parse. */
export function importsOf(file: string, text: string): string[] {
  const { program, errors } = parseSync(file, text)
  if (errors[0] !== undefined) throw new Error(`${file} does not parse: ${errors[0].message}`)
  const found: string[] = []
  new Visitor({
    ImportDeclaration: node => void found.push(node.source.value),
    ExportAllDeclaration: node => void found.push(node.source.value),
    ExportNamedDeclaration: node => void (node.source === null || found.push(node.source.value)),
    ImportExpression: node => void (isStringLiteral(node.source) && found.push(node.source.value)),
    TSImportType: node => void found.push(node.source.value),
    CallExpression: node => {
      const [first] = node.arguments
      if (isModuleLookup(node.callee) && first !== undefined && first.type !== 'SpreadElement' && isStringLiteral(first)) {
        found.push(first.value)
      }
    },
  }).visit(program)
  return found
}

function sourceFiles(root: string, folder: string): SourceFile[] {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && /\.(?:ts|tsx|mts|mjs|js)$/.test(entry.name))
    .map(entry => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/'))
    .filter(file => !/\/(?:node_modules|dist)\//.test(file))
    .toSorted()
    .map(file => {
      const text = readFileSync(path.join(root, file), 'utf8')
      return { path: file, lines: text.trimEnd().split('\n').length, imports: importsOf(file, text) }
    })
}

function readPackage(root: string, folder: string): WorkspacePackage {
  const manifest = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8')) as Manifest
  const tsconfig = JSON.parse(readFileSync(path.join(root, folder, 'tsconfig.json'), 'utf8')) as { references?: { path: string }[] }
  return {
    name: manifest.name,
    folder,
    dependencies: Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.peerDependencies }),
    devDependencies: Object.keys(manifest.devDependencies ?? {}),
    exports: Object.keys(manifest.exports ?? {}),
    references: (tsconfig.references ?? []).map(({ path: target }) => path.posix.join(folder, target)),
    files: sourceFiles(root, folder),
  }
}

/** Reads every package of the workspace: its manifest and what its sources import. */
export function readWorkspace(root: string): Workspace {
  const folders = ['apps', 'libs'].flatMap(parent => readdirSync(path.join(root, parent)).map(name => `${parent}/${name}`))
  const packages = [...folders, 'test'].filter(folder => existsSync(path.join(root, folder, 'package.json')))
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Manifest
  return { packages: packages.map(folder => readPackage(root, folder)), devDependencies: Object.keys(manifest.devDependencies ?? {}) }
}

/** Patterns of a .gitignore: names of folders and files anywhere below, `/name` beside it only, `*.ending`, and `!name` for exceptions. */
interface IgnoreRules {
  readonly folder: string
  readonly rules: readonly { readonly pattern: RegExp; readonly folders: boolean; readonly kept: boolean }[]
}

function readIgnoreRules(root: string, folder: string): IgnoreRules | undefined {
  const file = path.join(root, folder, '.gitignore')
  if (!existsSync(file)) return undefined
  const lines = readFileSync(file, 'utf8').split('\n')
  const rules = lines.flatMap(line => {
    const [, exception, anchor, body, slash] = /^(!?)(\/?)([^#].*?)(\/?)\s*$/.exec(line) ?? []
    if (body === undefined) return []
    const text = body.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '[^/]*')
    const anywhere = anchor === '' && !body.includes('/')
    return [{ pattern: new RegExp(`^${anywhere ? '(?:.*/)?' : ''}${text}$`), folders: slash === '/', kept: exception === '!' }]
  })
  return { folder, rules }
}

/** Files that belong to the project, without git: all but what the .gitignore files leave out. */
export function walkedFiles(root: string, folder = '', above: readonly IgnoreRules[] = []): string[] {
  const own = readIgnoreRules(root, folder)
  const all = own === undefined ? above : [...above, own]
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const file = folder === '' ? entry.name : `${folder}/${entry.name}`
    const last = all
      .flatMap(({ folder: base, rules }) => {
        const inside = base === '' ? file : file.slice(base.length + 1)
        return rules.filter(({ pattern, folders }) => (!folders || entry.isDirectory()) && pattern.test(inside))
      })
      .at(-1)
    if (entry.name === '.git' || (last !== undefined && !last.kept)) return []
    return entry.isDirectory() ? walkedFiles(root, file, all) : [file]
  })
}

/** Files that belong to the project by git's word: tracked, or new and not ignored. Undefined where there is no git, or no repository. */
export function gitFiles(root: string): string[] | undefined {
  const { status, stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) return undefined
  return stdout.split('\0').filter(file => file !== '' && existsSync(path.join(root, file)))
}

/** Files that belong to the project. */
export function projectFiles(root: string): string[] {
  return gitFiles(root) ?? walkedFiles(root)
}
