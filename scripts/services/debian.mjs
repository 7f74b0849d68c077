// Helpers shared by the scripts that start servers for tests: Debian's packages, free ports, waiting for a port, ending a process.
import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

export const run = promisify(execFile)
export const asRoot = process.getuid?.() === 0

/** Installs Debian packages; the message of a failure says what they were wanted for. */
export async function install(packages, wantedFor) {
  const apt = async (...args) => {
    const command = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=120', ...args]
    if (!asRoot) command.unshift('sudo', '-n')
    await run(command[0], command.slice(1), { maxBuffer: 64 * 1024 * 1024 })
  }
  try {
    await apt('update')
    await apt('install', '--no-install-recommends', ...packages)
  } catch (error) {
    throw new Error(`${wantedFor} need Debian's ${packages.join(', ')}, and installing failed: ${error.message}`)
  }
}

/**
 * A loopback port that is free now. It is below those that systems give to connections (from 32,768 on Linux), so that none of them takes
 * it while a server that is to have it starts, or starts again.
 */
export async function freePort(from = 10_000, to = 32_000) {
  for (;;) {
    const port = randomInt(from, to)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

/** Resolves once something accepts connections on the port; throws what `failed` says as soon as it says something, or after four minutes. */
export async function untilListening(port, failed) {
  const deadline = Date.now() + 240_000
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const accepted = await Promise.race([
      once(socket, 'connect').then(
        () => true,
        () => false,
      ),
      sleep(1000, false),
    ])
    socket.destroy()
    if (accepted) return
    const reason = failed()
    if (reason !== undefined) throw new Error(reason)
    if (Date.now() > deadline) throw new Error(`nothing listens on port ${port} after four minutes`)
    await sleep(50)
  }
}

/** Ends a child process, at last by force. */
export async function end(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await exited
  clearTimeout(timer)
}

/** As a program: starts, prints what clients need as JSON, runs until it is interrupted. */
export async function asProgram(start) {
  const service = await start()
  console.log(JSON.stringify(service))
  const stop = () =>
    service.stop().then(
      () => process.exit(0),
      error => {
        console.error(error.message)
        process.exit(1)
      },
    )
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
}
