/** Milliseconds without an error after which an outage counts as over: more than reconnecting waits between two tries. */
const defaultQuiet = 30_000

/**
 * Tells of a queue's outage once, and once when it is over, instead of for every connection and try.
 * @param quiet milliseconds without an error after which it is over
 */
export function outageNotes(note: (text: string) => void, quiet = defaultQuiet): (error: Error) => void {
  let errors = 0
  let timer: NodeJS.Timeout | undefined
  const over = (): void => {
    note(`queue: no error for ${quiet / 1000} s, after ${errors}`)
    errors = 0
    timer = undefined
  }
  return error => {
    errors += 1
    if (timer === undefined) note(`queue: ${error.message}; further errors are counted until it is back`)
    clearTimeout(timer)
    timer = setTimeout(over, quiet)
    timer.unref()
  }
}
