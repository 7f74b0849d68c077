// A process that runs one command line after another, each as `bin/layermill.js` would: the modules are loaded once for all of them.
// A message holds the arguments. At a command's end its exit code follows its texts on both streams, between the marks of `cli.ts`.
// A command is over when it holds nothing that would keep a process of its own alive, which one that hangs never is.
import { setTimeout as pause } from 'node:timers/promises'

const [main, mark] = process.argv.slice(2)
const patienceMs = 60_000
let count = 0

/** How often each kind of resource that keeps a process alive is open. */
function open() {
  const counts = new Map()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

/** Kinds of which more are open than before. @param {Map<string, number>} before */
const excess = before => [...open()].filter(([kind, count]) => count > (before.get(kind) ?? 0)).map(([kind]) => kind)

/** Waits until nothing more is open than before; what still is after a minute. @param {Map<string, number>} before */
async function untilClosed(before) {
  for (const deadline = Date.now() + patienceMs; excess(before).length > 0;) {
    if (Date.now() > deadline) return excess(before)
    await pause(2)
  }
  return []
}

/** @param {readonly string[]} args */
async function run(args) {
  const before = open()
  count += 1
  const listeners = process.stdout.listeners('error')
  process.argv = [process.execPath, main, ...args]
  process.exitCode = undefined
  await import(`${main}?run=${count}`)
  const left = await untilClosed(before)
  if (left.length > 0) process.stderr.write(`the command does not end, these are open: ${left.join(', ')}\n`)
  const code = left.length > 0 ? null : (process.exitCode ?? 0)
  process.exitCode = undefined
  for (const listener of process.stdout.listeners('error')) if (!listeners.includes(listener)) process.stdout.off('error', listener)
  for (const stream of [process.stdout, process.stderr]) stream.write(`\0${mark}\0${code}\0${mark}\0`)
}

// They are opened when first asked for, which is no command's doing.
void [process.stdout.fd, process.stderr.fd]
process.on('message', args => void run(args))
process.on('disconnect', () => process.exit())
