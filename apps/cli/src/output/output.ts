import { errorCode, errorMessage, firstError, LayermillError, printable, printableJson } from '@layermill/core'

/** Output of a command: results go to standard output, everything about the run to standard error. */
export interface Output {
  /** A line of results. */
  line(text: string): void
  /** One JSON value in one line of results. */
  json(value: unknown): void
  /** A line about the run. */
  note(text: string): void
}

/** Writes to a process's streams. Names of files and classes come from outside, so no line carries control characters. */
export function processOutput(out: NodeJS.WritableStream, err: NodeJS.WritableStream): Output {
  return {
    line: text => void out.write(`${printable(text)}\n`),
    json: value => void out.write(`${printableJson(value)}\n`),
    note: text => void err.write(`${printable(withPaths(text))}\n`),
  }
}

/** Text with paths, as a shell takes them, in place of file URLs; one that cannot be decoded stays. */
function withPaths(text: string): string {
  return text.replace(/file:\/\/(\/\S*)/g, (url: string, path: string) => {
    try {
      return decodeURIComponent(path).replace(/^\/(?=[A-Za-z]:\/)/, '')
    } catch {
      return url
    }
  })
}

/** An error for people: message, then what to do next. Anything but our own errors comes with its code, so that it can be reported. */
export function describeError(thrown: unknown): string {
  const error = firstError(thrown)
  if (error instanceof LayermillError) {
    return error.hint === undefined ? `error: ${error.message}  [${error.code}]` : `error: ${error.message}  [${error.code}]\n${error.hint}`
  }
  return `error: ${errorMessage(error)}  [${errorCode(error)}]`
}
