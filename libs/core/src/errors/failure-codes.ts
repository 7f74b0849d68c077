import { errorCode, errorMessage, firstError } from './errors.js'
import type { ErrorClass, FailureClass } from './failure-class.js'
import { failureTable, isErrorCode } from './failure-table.js'
import { redact } from '../net/redact.js'

export interface Failure extends FailureClass {
  /** A code of the table; `UNEXPECTED` for errors without one. */
  readonly code: string
  /** In one line or a few, without credentials. */
  readonly message: string
}

/** Row of a code in the table: its meaning and how a failure with it is handled. Undefined for codes that are not in the table. */
export function failureClass(code: string): ErrorClass | undefined {
  return isErrorCode(code) ? failureTable[code] : undefined
}

const failure = (code: string, message: string, { retry, scope, meaning }: FailureClass): Failure => ({
  code,
  message,
  retry,
  scope,
  meaning,
})

/**
 * Any thrown value as a failure: its code (or that of the nearest cause with a known one), its class, its message without credentials.
 * Unknown errors are `UNEXPECTED`: tried again with backoff, ending their part.
 */
export function classify(error: unknown): Failure {
  const message = redact(errorMessage(error))
  // Wrappers (AggregateError, fetch's TypeError) hide the code in their cause; a few steps are enough and end even where causes form a
  // ring.
  for (let cause: unknown = firstError(error), depth = 0; cause !== undefined && depth < 5; depth++) {
    const code = errorCode(cause)
    const found = code === 'UNEXPECTED' ? undefined : failureClass(code)
    if (found !== undefined) return failure(code, message, found)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return failure('UNEXPECTED', message, failureTable.UNEXPECTED)
}

const retryText = { never: 'no', backoff: 'with backoff', alone: 'each image alone' } as const

/** docs/errors.md: the table for people. */
export function errorsMarkdown(): string {
  const rows = Object.entries(failureTable).map(
    ([code, { retry, scope, meaning }]) => `| \`${code}\` | ${meaning} | ${retryText[retry]} | ${scope} |`,
  )
  return [
    '# Errors',
    '',
    'Every error has a code that programs can rely on; codes do not change once published. "Tried again" is what workers do by themselves;',
    '"ends" is what the failure ends when trying again did not help: one image (recorded in `errors`, left out of the features),',
    "one part's job, the worker's work on the run (which another worker does; the run itself where no worker can, or where its orchestrator met it),",
    'the run, or (nothing else) a request to the HTTP API. This page is written by `node libs/core/scripts/errors-doc.mjs`; a test compares it with the code.',
    '',
    '| code | meaning | tried again | ends |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}
