import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { root } from './terminal.mjs'

/** TypeScript sources below a folder of the workspace, as paths from the root. @param {string} folder */
async function sources(folder) {
  const entries = await readdir(path.join(root, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter(file => !/(^|\/)(node_modules|dist)\//.test(file))
}

/** Sources that a text of `file` imports by a relative path. @param {string} file @param {string} text */
const importsOf = (file, text) =>
  [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g)].map(([, target]) =>
    path.join(path.dirname(file), target.replace(/\.js$/, '.ts')),
  )

/**
 * The environment variables of test servers that these tests read. `filters` are vitest's: parts of test files' paths. With an option
 * among them nothing is left out, because which of them are filters is then vitest's to say.
 *
 * @param {readonly string[]} filters
 * @returns {Promise<Set<string>>}
 */
export async function neededVariables(filters) {
  const files = (await Promise.all(['apps', 'libs', 'test'].map(sources))).flat()
  const everything = filters.length === 0 || filters.some(filter => filter.startsWith('-'))
  const selected = files.filter(file => file.endsWith('.test.ts') && (everything || filters.some(filter => file.includes(filter))))
  const known = new Set(files)
  const found = new Set()
  const seen = new Set(selected)
  // A test may reach a server through a helper that it imports.
  for (const file of seen) {
    const text = await readFile(path.join(root, file), 'utf8')
    for (const variable of text.match(/\bLAYERMILL_TEST_[A-Z0-9]+\b/g) ?? []) found.add(variable)
    for (const imported of importsOf(file, text)) if (known.has(imported)) seen.add(imported)
  }
  return found
}
