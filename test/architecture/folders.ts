import path from 'node:path'
import type { SourceFile } from './workspace.js'

/**
 * The order of the orchestrator's folders: each may import those of lower ranks only. What a lower one would have to know of a higher one
 * is a type of libs/contracts.
 */
export const orchestratorFolders: ReadonlyMap<string, number> = new Map([
  ['run', 0],
  ['notify', 0],
  ['http', 0],
  ['results', 1],
  ['features', 1],
  ['registry', 1],
  ['inspect', 2],
  ['train', 2],
  ['check', 3],
  ['report', 3],
  ['schedules', 4],
  ['service', 4],
  ['fleet', 5],
])

/** Imports of a package that go from one of its folders to another of the same or a higher rank. Files beside the folders may use all. */
export function folderViolations(files: readonly SourceFile[], source: string, ranks: ReadonlyMap<string, number>): string[] {
  const folderOf = (file: string): string | undefined => {
    const [folder, ...rest] = path.posix.relative(source, file).split('/')
    return rest.length === 0 || folder === '..' ? undefined : folder
  }
  return files.flatMap(file => {
    const from = folderOf(file.path)
    if (from === undefined) return []
    if (!ranks.has(from)) return [`${file.path}: the folder ${from} has no place in the order`]
    return file.imports.flatMap(specifier => {
      if (!specifier.startsWith('.')) return []
      const to = folderOf(path.posix.join(path.posix.dirname(file.path), specifier))
      if (to === from || (to !== undefined && (ranks.get(to) ?? Infinity) < ranks.get(from)!)) return []
      return [`${file.path}: the import of ${specifier} goes against the order: ${from} may not use ${to ?? 'what is beside the folders'}`]
    })
  })
}
