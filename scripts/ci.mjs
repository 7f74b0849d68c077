/** Behind .ci/run: runs every check to its end, counts, and prints `N passed, N failed` last. */
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { installPrograms } from './setup/system-packages.mjs'
import { root, run } from './setup/terminal.mjs'

/** Lines of a failed check's output that are shown again at the end. */
const shownLines = 20
/** Test files whose time is shown. */
const slowest = 25

const total = { passed: 0, failed: 0 }
/** Everything that failed, to be shown together at the end: often no more than the last page of a log is kept. @type {string[]} */
const failures = []
/** @type {(import('./vitest-reporter.mjs').Summary['files'][number])[]} */
let files = []

/** @param {string} title */
const heading = title => console.log(`\n== ${title}`)

/** @param {string} title @param {boolean} passed @param {string} [output] of the check */
function count(title, passed, output = '') {
  total[passed ? 'passed' : 'failed'] += 1
  console.log(`${title}: ${passed ? 'passed' : 'FAILED'}`)
  if (!passed) failures.push([title, ...output.trimEnd().split('\n').slice(-shownLines)].join('\n'))
}

/** Runs a program, shows what it prints and keeps it. @param {string} program @param {readonly string[]} parameters @param {NodeJS.ProcessEnv} [env] */
async function shown(program, parameters, env) {
  const { code, stdout, stderr } = await run(program, parameters, { show: 'kept', env })
  return { passed: code === 0, output: `${stdout}\n${stderr}` }
}

/** @param {readonly string[]} parameters a command of the bootstrap, and its arguments */
const bootstrap = (...parameters) => shown(process.execPath, [path.join(root, 'scripts/bootstrap.mjs'), ...parameters])

/** Build and lint of each package, as nx's targets. Without a build there is nothing to lint or test. */
async function checkTypesAndLint() {
  /** @param {string} title @param {() => ReturnType<typeof shown>} check */
  const checkReady = async (title, check) => {
    heading(title)
    const { passed, output } = ready.passed ? await check() : ready
    count(title.toLowerCase(), passed, output)
  }
  const ready = await bootstrap('install')
  const tool = name => path.join(root, 'node_modules/.bin', name)
  await checkReady('Type check', () => shown(tool('nx'), ['run-many', '-t', 'build', '--output-style=static']))
  await checkReady('Lint', () => bootstrap('lint'))
  await checkReady('Format', () => shown(tool('oxfmt'), ['--check']))
}

/**
 * Runs tests and adds up what they say of themselves.
 * @param {string} title
 * @param {...string} parameters as `bootstrap`
 * @returns {Promise<{ code: number, summary?: import('./vitest-reporter.mjs').Summary }>} no summary where none was written
 */
async function testWith(title, ...parameters) {
  const file = path.join(root, '.tmp/test-summary.json')
  await rm(file, { force: true })
  const env = { LAYERMILL_TEST_SUMMARY: file }
  const { code } = await run(process.execPath, [path.join(root, 'scripts/bootstrap.mjs'), ...parameters], { show: true, env })
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return { code }
  /** @type {import('./vitest-reporter.mjs').Summary} */
  const summary = JSON.parse(text)
  for (const { file, name, error } of summary.failures) failures.push(`${title}: ${file} > ${name}\n${error}`)
  for (const test of summary.secondTries) console.log(`passed at a later attempt: ${test}`)
  // vitest may fail for what it does not count, such as a worker that crashed.
  const uncounted = code !== 0 && summary.failed === 0 ? 1 : 0
  if (uncounted > 0) failures.push(`${title}: exit code ${code}, though no test failed`)
  console.log(`${title}: ${summary.passed} passed, ${summary.failed + uncounted} failed, ${summary.skipped} skipped`)
  return { code, summary: { ...summary, failed: summary.failed + uncounted } }
}

async function test() {
  heading('Tests')
  const { summary } = await testWith('tests', 'test')
  if (summary === undefined) return count('tests', false, 'they wrote no summary')
  files = summary.files
  total.passed += summary.passed
  total.failed += summary.failed
}

/** The published package, packed and tried in an empty folder. */
async function release() {
  heading('Release')
  const { passed, output } = await bootstrap('release', '--dry-run')
  count('release', passed, output)
}

/** Packages that read files and streams, under the strictest release of Node.js; `npm run test:nodes` runs everything under all of them. */
async function testNewestNode() {
  heading('Node.js 26')
  const packages = ['libs/core', 'libs/storage', 'libs/weights', 'libs/preprocess', 'apps/cli/src/output']
  const title = 'tests under Node.js 26'
  const { code } = await testWith(title, 'test:nodes', '26', ...packages)
  // One check, as lint is one: these tests were counted before. Without the program, which is said, nothing ran.
  count(title, code === 0)
}

/** Images, built and tried as a fleet. They take several minutes (docs/decisions/0181-images-are-tried.md), so a run asks for them. */
async function images() {
  heading('Images')
  if (process.env.LAYERMILL_CI_IMAGES !== '1') {
    console.log('images: left out; LAYERMILL_CI_IMAGES=1 builds them and tries a fleet of them')
    return
  }
  try {
    await installPrograms(
      new Map([
        ['buildah', 'buildah'],
        ['debootstrap', 'debootstrap'],
      ]),
    )
  } catch (error) {
    console.log(`images: left out, buildah and debootstrap cannot be installed here (${error.message.split('\n')[0]})`)
    return
  }
  const { code } = await run(process.execPath, [path.join(root, 'scripts/images.mjs'), '--local-base'], { show: true })
  count('images', code === 0)
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
    stdout,
  )
}

/** Shows the slowest test files, then everything that failed, then the counts alone on the last line. */
function report() {
  const byTime = files.toSorted((a, b) => b.seconds - a.seconds).slice(0, slowest)
  if (byTime.length > 0) console.log(`\n== Slowest test files (seconds, and seconds of CPU)`)
  for (const { file, seconds, cpuSeconds } of byTime)
    console.log(`${seconds.toFixed(0).padStart(5)} ${(cpuSeconds?.toFixed(0) ?? '').padStart(5)}  ${file}`)
  const sum = key => (files.reduce((sum, file) => sum + (file[key] ?? 0), 0) / 60).toFixed(1)
  if (files.length > 0) console.log(`all ${files.length} files: ${sum('seconds')} minutes, ${sum('cpuSeconds')} of CPU`)
  if (failures.length > 0) console.log(`\n== Failed`)
  for (const failure of failures) console.log(failure.replaceAll('\n', '\n    '))
  console.log(`\n${total.passed} passed, ${total.failed} failed`)
}

await checkTypesAndLint()
await test()
await testNewestNode()
await release()
await images()
await audit()
report()
process.exitCode = total.failed === 0 ? 0 : 1
