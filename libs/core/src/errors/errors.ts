import type { ErrorCode } from './failure-table.js'

/** A code that came from outside: of a newer version, of the system or of a client library. Made by `receivedCode` alone. */
export type ReceivedCode = string & { readonly received: unique symbol }

/**
 * The one error type of the project: a stable code for programs, a sentence for people and, where one is known, what to do next.
 *
 * `code` is UPPER_SNAKE_CASE and never changes once published: a row of the table in failure-table.ts, which docs/errors.md prints.
 * A misspelt code does not compile; `receivedCode` lets one through that another process named.
 * The message names the file, flag, tensor or shape concerned and what was expected; it must never contain credentials.
 */
export class LayermillError extends Error {
  readonly code: ErrorCode | ReceivedCode
  readonly hint: string | undefined

  constructor(code: ErrorCode | ReceivedCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'LayermillError'
    this.code = code
    this.hint = options.hint
  }
}

/**
 * A code from outside, as it is: of a server's problem document, a job's failed reason, a record, a thread's answer, or any thrown value.
 * One that the table does not have (of a newer version, say) is kept, so that people read the code that its sender gave.
 */
export function receivedCode(code: string): ReceivedCode {
  return code as ReceivedCode
}

/**
 * The error that came first: what `await using` closes while an error is on its way may fail as well, and wraps both in a `SuppressedError`
 * then, whose own message names neither.
 */
export function firstError(error: unknown): unknown {
  let first = error
  while (first instanceof Error && first.name === 'SuppressedError' && 'suppressed' in first) first = first.suppressed
  return first
}

/** The code of any thrown value: a LayermillError's own, a Node.js system error's (`ENOENT`), else `UNEXPECTED`. */
export function errorCode(thrown: unknown): string {
  const error = firstError(thrown)
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'UNEXPECTED'
}

/** Hint of a thrown value: advice for a person, where there is one. */
export function errorHint(thrown: unknown): string | undefined {
  const error = firstError(thrown)
  return error instanceof LayermillError ? error.hint : undefined
}

/** A thrown value's message in one line, whatever was thrown. */
export function errorMessage(thrown: unknown): string {
  const error = firstError(thrown)
  return error instanceof Error ? error.message : String(error)
}
