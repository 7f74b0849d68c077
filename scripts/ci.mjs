/** Behind .ci/run: runs every check to its end, counts, and prints `N passed, N failed` last. */
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { root, run } from './setup/terminal.mjs'

const total = { passed: 0, failed: 0 }

/** @param {string} title */
const heading = title => console.log(`\n== ${title}`)

/** @param {string} title @param {boolean} passed */
function count(title, passed) {
  total[passed ? 'passed' : 'failed'] += 1
  console.log(`${title}: ${passed ? 'passed' : 'FAILED'}`)
}

/** @param {string} command of the bootstrap @param {NodeJS.ProcessEnv} [env] */
async function bootstrap(command, env) {
  const { code } = await run(process.execPath, [path.join(root, 'scripts/bootstrap.mjs'), command], { show: true, env })
  return code
}

/** Build and lint of each package, as nx's targets. Without a build there is nothing to lint or test. */
async function checkTypesAndLint() {
  heading('Type check')
  const nx = path.join(root, 'node_modules/.bin/nx')
  const ready = (await bootstrap('install')) === 0
  count('type check', ready && (await run(nx, ['run-many', '-t', 'build', '--output-style=static'], { show: true })).code === 0)
  heading('Lint')
  count('lint', ready && (await bootstrap('lint')) === 0)
  heading('Format')
  const oxfmt = path.join(root, 'node_modules/.bin/oxfmt')
  count('format', ready && (await run(oxfmt, ['--check'], { show: true })).code === 0)
}

async function test() {
  heading('Tests')
  const summary = path.join(root, '.tmp/test-summary.json')
  await rm(summary, { force: true })
  const code = await bootstrap('test', { LAYERMILL_TEST_SUMMARY: summary })
  const text = await readFile(summary, 'utf8').catch(() => undefined)
  if (text === undefined) return count('tests', false)
  const { passed, failed, skipped } = JSON.parse(text)
  total.passed += passed
  // vitest may fail for what it does not count, such as a worker that crashed.
  total.failed += code === 0 ? failed : Math.max(failed, 1)
  console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`)
}

/** The published package, packed and tried in an empty folder. */
async function release() {
  heading('Release')
  const { code } = await run(process.execPath, [path.join(root, 'scripts/bootstrap.mjs'), 'release', '--dry-run'], { show: true })
  count('release', code === 0)
}

/** Packages that read files and streams, under the strictest release of Node.js; `npm run test:nodes` runs everything under all of them. */
async function testNewestNode() {
  heading('Node.js 26')
  const packages = ['libs/core', 'libs/storage', 'libs/weights', 'libs/preprocess']
  const { code } = await run(process.execPath, [path.join(root, 'scripts/bootstrap.mjs'), 'test:nodes', '26', ...packages], { show: true })
  count('tests under Node.js 26', code === 0)
}

/** Known weaknesses of dependencies. A registry that cannot be asked is not a failure of ours. */
async function audit() {
  heading('Audit')
  const parameters = ['audit', '--audit-level=high', '--json', '--fetch-retries=0', '--fetch-timeout=30000']
  const { stdout, stderr } = await run('npm', parameters, { timeoutMs: 90_000 })
  let report
  try {
    report = JSON.parse(stdout)
  } catch {
    report = { message: stderr.trim().split('\n').at(-1) }
  }
  const found = report.metadata?.vulnerabilities
  if (found === undefined) {
    const reason = report.message ?? report.error?.summary ?? 'no answer'
    console.log(`audit: left out, the registry does not answer it (${reason})`)
    return
  }
  count(
    `audit (${found.critical} critical, ${found.high} high, ${found.moderate} moderate, ${found.low} low)`,
    found.critical + found.high === 0,
  )
}

await checkTypesAndLint()
await test()
await testNewestNode()
await release()
await audit()
console.log(`\n${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1
