/** Why a command was stopped. */
export class Interrupted extends Error {
  constructor(signal: string) {
    super(`stopped by ${signal}`)
    this.name = 'Interrupted'
  }
}

/**
 * Runs an action with a signal that Ctrl-C or SIGTERM aborts. A second Ctrl-C ends the process at once: the store is consistent at any
 * moment, so nothing is lost but the work under way. `onInterrupt` is told of the first.
 */
export async function interruptible<Result>(
  action: (signal: AbortSignal) => Promise<Result>,
  onInterrupt: (signal: NodeJS.Signals) => void = () => undefined,
): Promise<Result> {
  const abort = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    if (abort.signal.aborted) process.exit(130)
    abort.abort(new Interrupted(signal))
    onInterrupt(signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  try {
    return await action(abort.signal)
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

/** Resolves with the first Ctrl-C or SIGTERM; a second one ends the process at once. */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let stopped = false
    const onSignal = (signal: NodeJS.Signals): void => {
      if (stopped) process.exit(130)
      stopped = true
      resolve(signal)
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
}

/**
 * Ends the process after so many milliseconds whatever it still waits for: a queue that is away answers nobody, and what was under way is
 * taken over when its locks run out. For after `untilStopped`.
 */
export function exitAtLatest(deadlineMs: number, note: (text: string) => void): void {
  const end = (): void => {
    note(`not all connections answered within ${deadlineMs / 1000} s: ending without them; what was under way is taken over by others`)
    process.exit(0)
  }
  setTimeout(end, deadlineMs).unref()
}
