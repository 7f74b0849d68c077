import { firstError, LayermillError } from '../errors/errors.js'
import { failureClass } from '../errors/failure-codes.js'

/** Exit codes of the command, for scripts. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Done, but some images failed, no more than --max-errors. */
  doneWithFailures: 3,
  /** Ctrl-C or SIGTERM; the same command goes on from where it was. */
  interrupted: 130,
} as const

/** Exit code of a finished run. */
export function exitCodeOf(record: { readonly counts: { readonly failed: number } }): number {
  return record.counts.failed > 0 ? exitCodes.doneWithFailures : exitCodes.done
}

/** Exit code of a command that ended with an error, as the table of errors has it: `usage` where the command itself was wrong. */
export function exitCodeOfError(thrown: unknown): number {
  const error = firstError(thrown)
  return error instanceof LayermillError && failureClass(error.code)?.exit === 'usage' ? exitCodes.usage : exitCodes.failed
}
