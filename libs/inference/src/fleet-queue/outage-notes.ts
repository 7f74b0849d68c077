/** Milliseconds without an error after which an outage counts as over: more than reconnecting waits between two tries. */
const defaultQuiet = 30_000

/** Why, and since when, a queue does not answer as it should. */
export interface Outage {
  readonly reason: string
  readonly since: string
}

export interface OutageNotes {
  /** To be called with every error. */
  (error: Error): void
  /** The outage that goes on; undefined where there is none. */
  current(): Outage | undefined
}

/**
 * Tells of a queue's outage once, and once when it is over, instead of for every connection and try.
 * @param quiet milliseconds without an error after which it is over
 */
export function outageNotes(note: (text: string) => void, quiet = defaultQuiet): OutageNotes {
  let errors = 0
  let outage: Outage | undefined
  let timer: NodeJS.Timeout | undefined
  const over = (): void => {
    note(`queue: no error for ${quiet / 1000} s, after ${errors}`)
    errors = 0
    outage = undefined
  }
  const onError = (error: Error): void => {
    const reason = `queue: ${error.message}`
    errors += 1
    if (outage === undefined) note(`${reason}; further errors are counted until it is back`)
    outage = { reason, since: outage?.since ?? new Date().toISOString() }
    clearTimeout(timer)
    timer = setTimeout(over, quiet)
    timer.unref()
  }
  return Object.assign(onError, { current: () => outage })
}
