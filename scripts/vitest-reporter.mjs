import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { stripVTControlCharacters } from 'node:util'

/** How long the test run may print nothing before it says what it is busy with. */
const quietMs = 10_000

/** Lines of an error's message, and of the difference from what was expected, that a summary keeps. */
const errorLines = 8

/** @param {string} text */
function firstLines(text) {
  const lines = stripVTControlCharacters(text).split('\n')
  return lines
    .filter(line => line.trim() !== '')
    .slice(0, errorLines)
    .map(line => line.slice(0, 300))
}

/**
 * An error in a summary: the beginning of its message, the difference, and the line of this workspace that threw it.
 * @param {{ name?: string, message?: string, diff?: string, stack?: string }} error
 */
function describe({ name = 'Error', message = '', diff = '', stack = '' }) {
  const place = stack.split('\n').find(line => /\.m?ts:\d+/.test(line) && !line.includes('node_modules'))
  return [`${name}: ${firstLines(message).join('\n')}`, ...firstLines(diff), ...(place === undefined ? [] : [place.trim()])].join('\n')
}

/**
 * Beside vitest's own report: says what is running when nothing was printed for a while (a terminal shows that anyway), and, where
 * LAYERMILL_TEST_SUMMARY names a file, writes a {@link Summary} into it.
 *
 * @typedef {{ name: string, file: string, error: string }} Failure
 * @typedef {object} Summary
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {Failure[]} failures one for each of `failed`
 * @property {string[]} secondTries tests that passed at a later attempt
 * @property {{ file: string, seconds: number, cpuSeconds?: number }[]} files
 * @implements {import('vitest/reporters').Reporter}
 */
export default class ProgressReporter {
  #running = new Set()
  #finished = 0
  #total = 0
  #tests = 0
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer

  onTestRunStart(specifications) {
    this.#total = specifications.length
    if (!process.stdout.isTTY) this.#timer = setInterval(() => this.#report(), quietMs)
  }

  onTestModuleStart(module) {
    this.#running.add(module)
  }

  onTestModuleEnd(module) {
    this.#running.delete(module)
    this.#finished += 1
    this.#timer?.refresh()
  }

  onTestCaseResult() {
    this.#tests += 1
  }

  onTestRunEnd(modules, unhandledErrors) {
    clearInterval(this.#timer)
    const file = process.env.LAYERMILL_TEST_SUMMARY
    if (file === undefined) return
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify(summarise(modules, unhandledErrors)))
  }

  #report() {
    const names = [...this.#running].map(module => module.relativeModuleId).join(', ')
    console.log(`   ${this.#finished} of ${this.#total} files done, ${this.#tests} tests; running ${names}`)
  }
}

/** @returns {Summary} */
function summarise(modules, unhandledErrors) {
  /** @type {Summary} */
  const summary = { passed: 0, failed: 0, skipped: 0, failures: [], secondTries: [], files: [] }
  const fail = (file, name, error) => {
    summary.failed += 1
    summary.failures.push({ file, name, error })
  }
  for (const module of modules) {
    const file = module.relativeModuleId
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result()
      // A test without a result did not run to its end, which is not a pass.
      if (state === 'pending') fail(file, test.fullName, 'it did not run to its end')
      else if (state === 'failed') fail(file, test.fullName, (errors ?? []).map(describe).join('\n'))
      else summary[state] += 1
      if (test.diagnostic()?.flaky) summary.secondTries.push(`${file} > ${test.fullName}`)
    }
    // Errors outside of any test: a file that cannot be loaded, a failed hook.
    for (const error of module.errors()) fail(file, '(the file)', describe(error))
    for (const suite of module.children.allSuites()) for (const error of suite.errors()) fail(file, suite.fullName, describe(error))
    const { duration, collectDuration, setupDuration } = module.diagnostic()
    const seconds = (duration + collectDuration + setupDuration) / 1000
    summary.files.push({ file, seconds, cpuSeconds: module.meta().cpuSeconds })
  }
  for (const error of unhandledErrors) {
    const { VITEST_TEST_PATH: file = '', VITEST_TEST_NAME: name = '(outside of tests)' } = error
    fail(path.relative(process.cwd(), file), name, describe(error))
  }
  return summary
}
