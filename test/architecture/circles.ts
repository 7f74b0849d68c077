import path from 'node:path'
import type { SourceFile } from './workspace.js'

/** The file that a relative import names: `./a.js` is written for `./a.ts` or `./a.tsx`. */
function targetOf(file: SourceFile, specifier: string, known: ReadonlySet<string>): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const target = path.posix.join(path.posix.dirname(file.path), specifier)
  return [target, target.replace(/\.js$/, '.ts'), target.replace(/\.js$/, '.tsx')].find(candidate => known.has(candidate))
}

/** The shortest way from a file back to itself; undefined where there is none. */
function wayBack(start: string, edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const ways: string[][] = [[start]]
  const seen = new Set<string>()
  for (const way of ways) {
    for (const next of edges.get(way.at(-1)!) ?? []) {
      if (next === start) return [...way, start]
      if (seen.has(next)) continue
      seen.add(next)
      ways.push([...way, next])
    }
  }
  return undefined
}

/**
 * Circles among the imports of a package's files, those of types included: `a.ts -> b.ts -> a.ts`, each file in one of them at most. A
 * circle that types carry runs, and yet neither of its files can be read, moved or tested without the other.
 */
export function importCircles(files: readonly SourceFile[]): string[] {
  const known = new Set(files.map(file => file.path))
  const edges = new Map(files.map(file => [file.path, file.imports.flatMap(specifier => targetOf(file, specifier, known) ?? [])]))
  const found: string[] = []
  const told = new Set<string>()
  for (const file of known) {
    const way = told.has(file) ? undefined : wayBack(file, edges)
    if (way === undefined) continue
    for (const step of way) told.add(step)
    found.push(way.join(' -> '))
  }
  return found
}
