/**
 * Loaded before each test file. Files share processes, in an order that differs from run to run: after each, the environment, timers and
 * spied functions are those of before. And it leaves in the file's `meta` how many seconds of CPU its process, its threads and the processes
 * that it started took: other work on the machine makes a test take longer, and this hardly.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { afterAll, vi } from 'vitest'

/** Linux counts in hundredths of a second, whatever the kernel's own clock. */
const ticksPerSecond = 100

/** Ticks of a process and of its ended children; 0 for one that is gone. @param {string | number} pid */
function ticksOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ')
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  } catch {
    return 0
  }
}

/** @param {string | number} pid @returns {string[]} */
function childrenOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap(thread =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean),
    )
  } catch {
    return []
  }
}

/** @param {string | number} pid @returns {number} */
const ticksBelow = pid => childrenOf(pid).reduce((sum, child) => sum + ticksBelow(child), ticksOf(pid))

const before = ticksBelow(process.pid)
const environment = { ...process.env }

// vitest reads the parameters' text and would take the first for fixtures.
afterAll(function () {
  const suite = arguments[1]
  vi.useRealTimers()
  vi.restoreAllMocks()
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name]
  Object.assign(process.env, environment)
  suite.file.meta.cpuSeconds = Math.max(0, ticksBelow(process.pid) - before) / ticksPerSecond
})
