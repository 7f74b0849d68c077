import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { root, run, step } from './terminal.mjs'

/** Releases of Node.js beside the oldest that is supported. */
const releases = ['22', '24', '26']

/** A dot for a test: their names are printed by `npm test`. */
const terse = ['--reporter=dot', '--reporter=./scripts/vitest-reporter.mjs']

/**
 * A program of a release of Node.js, from the npm packages that carry them, kept below .tmp.
 * @param {string} release
 * @returns {Promise<string | undefined>} undefined where the registry does not give it
 */
async function nodeProgram(release) {
  const folder = path.join(root, '.tmp/nodes', release)
  const program = path.join(folder, 'node_modules/node-release/bin/node')
  if (existsSync(program)) return program
  await mkdir(folder, { recursive: true })
  const wanted = `node-release@npm:node-${process.platform}-${process.arch}@${release}`
  const parameters = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', wanted]
  await step(`Fetching Node.js ${release}`, () => run('npm', parameters, { timeoutMs: 120_000 }))
  return existsSync(program) ? program : undefined
}

/**
 * The tests of packages under other releases of Node.js: what npm installs runs on all of them.
 * @param {readonly string[]} parameters releases (22, 24, 26; default: all), then vitest's filters; default: all of apps and libs
 * @returns {Promise<number>} 0 where all passed or a release could not be had, which is said
 */
export async function testNodes(parameters) {
  const named = parameters.filter(parameter => /^\d+$/.test(parameter))
  const filters = parameters.filter(parameter => !named.includes(parameter))
  let code = 0
  for (const release of named.length > 0 ? named : releases) {
    const program = await nodeProgram(release)
    if (program === undefined) {
      console.log(`Node.js ${release}: left out, the registry does not give it`)
      continue
    }
    console.log(`Node.js ${release}`)
    const vitest = path.join(root, 'node_modules/vitest/vitest.mjs')
    const tests = filters.length > 0 ? filters : ['apps/', 'libs/']
    const result = await run(program, [vitest, 'run', ...terse, '--project', 'together', ...tests], { show: true })
    console.log(`Node.js ${release}: ${result.code === 0 ? 'passed' : 'FAILED'}`)
    code ||= result.code
  }
  return code
}
