import { spawn } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'

/** The workspace's root folder, without a slash at the end. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** A failure that is explained by its message alone: no stack trace is printed for it. */
export class SetupError extends Error {}

/**
 * Prints the title, then a dot every second so that nothing looks stuck, then how long it took.
 *
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(title, work) {
  const start = performance.now()
  process.stdout.write(`${title} `)
  const dots = setInterval(() => process.stdout.write('.'), 1000)
  let outcome = 'failed'
  try {
    const result = await work()
    outcome = 'done'
    return result
  } finally {
    clearInterval(dots)
    process.stdout.write(` ${outcome} in ${((performance.now() - start) / 1000).toFixed(1)} s\n`)
  }
}

/**
 * Runs a program to its end. Its output is kept and returned, or, with `show`, goes to the terminal as it comes; with `show: 'kept'` both.
 *
 * @param {string} program
 * @param {readonly string[]} parameters
 * @param {{ show?: boolean | 'kept', cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number, niceness?: number }} [options] `cwd`: the
 *   workspace's root unless given; `niceness`: of it and what it starts, above 0 for what may wait for others
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>} `code` is 128 + the signal's number where a signal ended it
 */
export function run(program, parameters, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: options.show === true ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
    })
    if (options.niceness !== undefined && child.pid !== undefined) setPriority(child.pid, options.niceness)
    const output = { stdout: '', stderr: '' }
    for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
      child[name]?.setEncoding('utf8').on('data', chunk => {
        output[name] += chunk
        if (options.show === 'kept') process[name].write(chunk)
      })
    }
    const forward = signal => child.kill(signal)
    // A terminal sends Ctrl-C to the child as well; sent twice it would mean "at once" instead of "stop in good order".
    const interrupt = () => process.stdin.isTTY || forward('SIGINT')
    process.on('SIGTERM', forward).on('SIGHUP', forward).on('SIGINT', interrupt)
    const done = () => process.off('SIGTERM', forward).off('SIGHUP', forward).off('SIGINT', interrupt)
    child.on('error', error => {
      done()
      reject(new SetupError(`${program} cannot be run: ${error.message}`))
    })
    child.on('close', (code, signal) => {
      done()
      resolve({ code: code ?? 128 + constants.signals[signal], ...output })
    })
  })
}

/**
 * As `run`, with the output shown only when the program fails, which throws.
 *
 * @param {string} title what is being done, for the progress line and the error
 * @param {string} program
 * @param {readonly string[]} parameters
 * @param {{ env?: NodeJS.ProcessEnv }} [options]
 */
export async function runStep(title, program, parameters, options = {}) {
  await step(title, async () => {
    const { code, stdout, stderr } = await run(program, parameters, options)
    if (code !== 0) throw new SetupError(`${title} failed (${program} ${parameters.join(' ')}: exit code ${code})\n${stdout}${stderr}`)
  })
}
