/**
 * The one error type of the project: a stable code for programs, a sentence for people and, where one is known, what to do next.
 *
 * `code` is UPPER_SNAKE_CASE and never changes once published (docs/errors.md lists them; libs/queue maps them to retry classes).
 * The message names the file, flag, tensor or shape concerned and what was expected; it must never contain credentials.
 */
export class LayermillError extends Error {
  readonly code: string
  readonly hint: string | undefined

  constructor(code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'LayermillError'
    this.code = code
    this.hint = options.hint
  }
}

/** The code of any thrown value: a LayermillError's own, a Node.js system error's (`ENOENT`), else `UNEXPECTED`. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'UNEXPECTED'
}

/** A thrown value's message in one line, whatever was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
