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

/** Lines of checks, in the order in which they are shown: at once, or kept until the checks beside them have ended. */
class Log {
  /** @type {string[] | undefined} */
  #kept

  /** @param {boolean} isKept */
  constructor(isKept) {
    if (isKept) this.#kept = []
  }

  /** @param {string} text with its line end */
  print(text) {
    if (this.#kept === undefined) process.stdout.write(text)
    else this.#kept.push(text)
  }

  /** @param {string} line */
  say(line) {
    this.print(`${line}\n`)
  }

  /** @param {string} title */
  heading(title) {
    this.say(`\n== ${title}`)
  }

  /** @param {string} title @param {boolean} passed @param {string} [output] of the check */
  count(title, passed, output = '') {
    total[passed ? 'passed' : 'failed'] += 1
    this.say(`${title}: ${passed ? 'passed' : 'FAILED'}`)
    if (!passed) failures.push([title, ...output.trimEnd().split('\n').slice(-shownLines)].join('\n'))
  }

  /**
   * Runs a program, shows what it prints and keeps it.
   * @param {string} program @param {readonly string[]} parameters @param {NodeJS.ProcessEnv} [env]
   */
  async run(program, parameters, env) {
    const isKept = this.#kept !== undefined
    const options = isKept ? { niceness: nicenessBeside } : /** @type {const} */ ({ show: 'kept' })
    const { code, stdout, stderr } = await run(program, parameters, { ...options, env })
    if (isKept) this.print(`${stdout}${stderr}`)
    return { code, passed: code === 0, output: `${stdout}\n${stderr}` }
  }

  /** @param {readonly string[]} parameters a command of the bootstrap, and its arguments @param {NodeJS.ProcessEnv} [env] */
  bootstrap(parameters, env = prepared) {
    return this.run(process.execPath, [bootstrapFile, ...parameters], { ...prepared, ...env })
  }

  /** Shows what was kept, and from now on shows at once. */
  show() {
    const kept = this.#kept ?? []
    this.#kept = undefined
    for (const text of kept) this.print(text)
  }
}

/** Of the checks beside the tests: time that these leave idle while they wait for servers and locks is enough for them. */
const nicenessBeside = 10

const bootstrapFile = path.join(root, 'scripts/bootstrap.mjs')

/** Installed and built once: two builds at a time would write the same files. */
const prepared = { LAYERMILL_PREPARED: '1' }

const tool = name => path.join(root, 'node_modules/.bin', name)

/** Build of each package, as nx's targets. Without it there is nothing to lint or test. @param {Log} log */
async function checkTypes(log) {
  const installed = await log.bootstrap(['install'], { LAYERMILL_PREPARED: '' })
  log.heading('Type check')
  const built = installed.passed ? await log.run(tool('nx'), ['run-many', '-t', 'build', '--output-style=static']) : installed
  log.count('type check', built.passed, built.output)
  return built
}

/** @param {Log} log */
async function lint(log) {
  log.heading('Lint')
  const { passed, output } = await log.bootstrap(['lint'])
  log.count('lint', passed, output)
  log.heading('Format')
  const format = await log.run(tool('oxfmt'), ['--check'])
  log.count('format', format.passed, format.output)
}

/**
 * Reads what tests say of themselves.
 * @param {Log} log @param {string} title @param {string} file that vitest's reporter was to write @param {number} code of the program
 * @returns {Promise<import('./vitest-reporter.mjs').Summary | undefined>} undefined where none was written
 */
async function readSummary(log, title, file, code) {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  /** @type {import('./vitest-reporter.mjs').Summary} */
  const summary = JSON.parse(text)
  for (const { file, name, error } of summary.failures) failures.push(`${title}: ${file} > ${name}\n${error}`)
  for (const test of summary.secondTries) log.say(`passed at a later attempt: ${test}`)
  // vitest may fail for what it does not count, such as a worker that crashed.
  const uncounted = code !== 0 && summary.failed === 0 ? 1 : 0
  if (uncounted > 0) failures.push(`${title}: exit code ${code}, though no test failed`)
  log.say(`${title}: ${summary.passed} passed, ${summary.failed + uncounted} failed, ${summary.skipped} skipped`)
  return { ...summary, failed: summary.failed + uncounted }
}

/** File for the summary of tests, made anew. @param {string} name */
async function summaryFile(name) {
  const file = path.join(root, '.tmp', name)
  await rm(file, { force: true })
  return file
}

/** @param {Log} log */
async function test(log) {
  log.heading('Tests')
  const file = await summaryFile('test-summary.json')
  const env = { ...prepared, LAYERMILL_TEST_SUMMARY: file }
  const { code } = await run(process.execPath, [bootstrapFile, 'test'], { show: true, env })
  const summary = await readSummary(log, 'tests', file, code)
  if (summary === undefined) return log.count('tests', false, 'they wrote no summary')
  files = summary.files
  total.passed += summary.passed
  total.failed += summary.failed
}

/** The published package, packed and tried in an empty folder. @param {Log} log */
async function release(log) {
  log.heading('Release')
  const { passed, output } = await log.bootstrap(['release', '--dry-run'])
  log.count('release', passed, output)
}

/**
 * Packages that read files and streams, under the strictest release of Node.js; `npm run test:nodes` runs everything under all of them.
 * @param {Log} log
 */
async function testNewestNode(log) {
  log.heading('Node.js 26')
  const packages = ['libs/core', 'libs/storage', 'libs/weights', 'libs/preprocess', 'apps/cli/src/output']
  const title = 'tests under Node.js 26'
  const file = await summaryFile('test-summary-26.json')
  const { code, output } = await log.bootstrap(['test:nodes', '26', ...packages, '--maxWorkers=1'], { LAYERMILL_TEST_SUMMARY: file })
  await readSummary(log, title, file, code)
  // One check, as lint is one: these tests were counted before. Without the program, which is said, nothing ran.
  log.count(title, code === 0, output)
}

/**
 * Images, built and tried as a fleet. They take several minutes (docs/decisions/0181-images-are-tried.md), so a run asks for them.
 * @param {Log} log
 */
async function images(log) {
  log.heading('Images')
  if (process.env.LAYERMILL_CI_IMAGES !== '1') {
    log.say('images: left out; LAYERMILL_CI_IMAGES=1 builds them and tries a fleet of them')
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
    log.say(`images: left out, buildah and debootstrap cannot be installed here (${error.message.split('\n')[0]})`)
    return
  }
  const { code } = await run(process.execPath, [path.join(root, 'scripts/images.mjs'), '--local-base'], { show: true })
  log.count('images', code === 0)
}

/** Known weaknesses of dependencies. A registry that cannot be asked is not a failure of ours. @param {Log} log */
async function audit(log) {
  log.heading('Audit')
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
    log.say(`audit: left out, the registry does not answer it (${reason})`)
    return
  }
  log.count(
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

/** Checks that need the build and no test server, one after another. @param {Log} log */
async function checkBeside(log) {
  await lint(log)
  await testNewestNode(log)
  await release(log)
  await audit(log)
}

const log = new Log(false)
const built = await checkTypes(log)
if (built.passed) {
  const beside = new Log(true)
  await Promise.all([test(log), checkBeside(beside)])
  beside.show()
  await images(log)
} else {
  for (const title of ['lint', 'format', 'tests', 'tests under Node.js 26', 'release'])
    log.count(title, false, 'not tried: there is no build')
}
report()
process.exitCode = total.failed === 0 ? 0 : 1
