import { builtinModules } from 'node:module'
import path from 'node:path'
import type { SourceFile, Workspace, WorkspacePackage } from './workspace.js'

/** The order of the packages. Each may import those of lower ranks only, so packages of one rank never import each other. */
const ranks = new Map([
  ['libs/core', 0],
  ['libs/analysis', 1],
  ['libs/models', 1],
  ['libs/contracts', 2],
  ['libs/onnx', 2],
  ['libs/weights', 2],
  ['libs/engines', 3],
  ['libs/preprocess', 3],
  ['libs/queue', 3],
  ['libs/storage', 3],
  ['libs/training', 3],
  ['libs/inference', 4],
  ['apps/gpu-worker', 5],
  ['apps/orchestrator', 5],
  ['apps/dashboard', 5],
  ['apps/cli', 6],
  ['test', 7],
])

export const maxLines = 400

/** Dependencies that no source imports by name, and why they are there all the same. */
const neverImported = new Map<string, string>([
  ['@tensorflow/tfjs-node', 'an optional peer, which libs/engines/src/tfjs/backend.ts requires where --engine tfjs asks for the CPU'],
  ['@tensorflow/tfjs-node-gpu', 'an optional peer, which libs/engines/src/tfjs/backend.ts requires where --engine tfjs asks for a GPU'],
])

const isTest = (file: SourceFile): boolean => file.path.endsWith('.test.ts')

/** Scripts of the workspace that tests use. */
const sharedScripts = [
  'scripts/services/',
  'scripts/setup/',
  'scripts/images/',
  'scripts/release/',
  'scripts/wasm/',
  'scripts/decisions.mjs',
]

/** Tests, what only they use (in folders named `testing`) and, outside of src, build scripts: what users of the package never load. */
const isDevelopment = (from: WorkspacePackage, file: SourceFile): boolean =>
  isTest(file) || file.path.includes('/testing/') || !['src', 'bin'].some(folder => file.path.startsWith(`${from.folder}/${folder}/`))

/** `@scope/name/sub/path` or `name/sub/path` to its package's name and the rest, as `exports` writes it. */
function splitSpecifier(specifier: string): { name: string; subpath: string } {
  const parts = specifier.split('/')
  const length = specifier.startsWith('@') ? 2 : 1
  return { name: parts.slice(0, length).join('/'), subpath: ['.', ...parts.slice(length)].join('/') }
}

function importViolation(workspace: Workspace, from: WorkspacePackage, file: SourceFile, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined
  if (builtinModules.includes(specifier)) return 'is a Node.js module: write node: in front'
  if (specifier.startsWith('.')) {
    const target = path.posix.join(path.posix.dirname(file.path), specifier)
    // Scripts of the whole workspace start the servers that tests run against, and write what tests compare.
    const allowed =
      target.startsWith(`${from.folder}/`) || (isDevelopment(from, file) && sharedScripts.some(folder => target.startsWith(folder)))
    return allowed ? undefined : `leaves ${from.folder}`
  }
  const { name, subpath } = splitSpecifier(specifier)
  const target = workspace.packages.find(candidate => candidate.name === name)
  const tools = isDevelopment(from, file) ? [...from.devDependencies, ...workspace.devDependencies] : []
  const declared = [...from.dependencies, ...tools]
  // A package may import itself by name, as its users do.
  if (!declared.includes(name) && target !== from) return `is not among the dependencies of ${from.folder}/package.json`
  if (target === undefined || target === from) return undefined
  if (!target.exports.includes(subpath)) return `reaches into ${target.folder}, which does not export it`
  if ((ranks.get(target.folder) ?? 0) >= (ranks.get(from.folder) ?? 0))
    return `goes against the order: ${from.folder} may not use ${target.folder}`
  return undefined
}

function packageViolations(workspace: Workspace, from: WorkspacePackage): string[] {
  const found: string[] = []
  if (!ranks.has(from.folder)) found.push(`${from.folder} has no place in the order of packages`)
  for (const file of from.files) {
    if (file.lines > maxLines && !isTest(file)) found.push(`${file.path} has ${file.lines} lines, more than ${maxLines}`)
    for (const specifier of file.imports) {
      const violation = importViolation(workspace, from, file, specifier)
      if (violation !== undefined) found.push(`${file.path}: the import of ${specifier} ${violation}`)
    }
  }
  const imported = new Set(from.files.flatMap(file => file.imports.map(specifier => splitSpecifier(specifier).name)))
  for (const name of [...from.dependencies, ...from.devDependencies]) {
    // Types of an untyped package are used where that package is: @types/yauzl, and @types/scope__name for @scope/name.
    const subject = name.startsWith('@types/') ? name.slice('@types/'.length).replace(/^(.+)__/, '@$1/') : name
    const used = imported.has(subject) || neverImported.has(name) || subject === 'node'
    if (!used) found.push(`${from.folder}/package.json names ${name}, which nothing imports`)
  }
  return [...found, ...referenceViolations(workspace, from)]
}

/** tsc builds in the order of the references, which must therefore be the dependencies inside the workspace. */
function referenceViolations(workspace: Workspace, from: WorkspacePackage): string[] {
  const wanted = workspace.packages.filter(({ name }) => from.dependencies.includes(name)).map(({ folder }) => folder)
  return [
    ...wanted
      .filter(folder => !from.references.includes(folder))
      .map(folder => `${from.folder}/tsconfig.json lacks the reference to ${folder}`),
    ...from.references
      .filter(folder => !wanted.includes(folder))
      .map(folder => `${from.folder}/tsconfig.json refers to ${folder}, which is not among the dependencies`),
  ]
}

/** Everything that breaks the rules between packages, one sentence each; empty when all is well. */
export function boundaryViolations(workspace: Workspace): string[] {
  return workspace.packages.flatMap(from => packageViolations(workspace, from))
}
