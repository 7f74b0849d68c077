import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** How long the test run may print nothing before it says what it is busy with. */
const quietMs = 10_000

/**
 * Beside vitest's own report: says what is running when nothing was printed for a while (a terminal shows that anyway), and, where
 * LAYERMILL_TEST_SUMMARY names a file, writes `{ passed, failed, skipped }` into it.
 *
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
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        // A test without a result did not run to its end, which is not a pass.
        if (state === 'pending') counts.failed += 1
        else counts[state] += 1
      }
      // Errors outside of any test: a file that cannot be loaded, a failed hook.
      counts.failed += module.errors().length
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length
    }
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify(counts))
  }

  #report() {
    const names = [...this.#running].map(module => module.relativeModuleId).join(', ')
    console.log(`   ${this.#finished} of ${this.#total} files done, ${this.#tests} tests; running ${names}`)
  }
}
