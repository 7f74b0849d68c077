import { errorCode, errorMessage, LayermillError } from '@layermill/models'

/** Where a command writes: results to standard output, everything about the run to standard error. */
export interface Output {
  /** A line of results. */
  line(text: string): void
  /** One JSON value in one line of results. */
  json(value: unknown): void
  /** A line about the run. */
  note(text: string): void
}

/** Writes to a process's streams. */
export function processOutput(out: NodeJS.WritableStream, err: NodeJS.WritableStream): Output {
  return {
    line: text => void out.write(`${text}\n`),
    json: value => void out.write(`${JSON.stringify(value)}\n`),
    note: text => void err.write(`${text}\n`),
  }
}

/** An error for people: message, then what to do next. Anything but our own errors comes with its code, so that it can be reported. */
export function describeError(error: unknown): string {
  if (error instanceof LayermillError) {
    return error.hint === undefined ? `error: ${error.message}  [${error.code}]` : `error: ${error.message}  [${error.code}]\n${error.hint}`
  }
  return `error: ${errorMessage(error)}  [${errorCode(error)}]`
}
