import { errorMessage, failureClass, failureTable, LayermillError, type ProblemKind, redact } from '@layermill/core'
import { problemCode } from './problem-codes.js'
import type { Problem } from '@layermill/contracts'

export const problemMediaType = 'application/problem+json'

const longest = 4000

/** Sentences of Node.js and of libraries may name paths and addresses of the server: they stay in the log. */
function detailOf(error: unknown, code: string): string {
  if (code === 'INTERNAL') return "The server could not answer this request; its log has the reason under the request's id."
  if (code === 'UNAVAILABLE' && !(error instanceof LayermillError)) return 'The queue or the store does not answer; try again later.'
  const text = redact(errorMessage(error))
  return text.length > longest ? `${text.slice(0, longest)}...` : text
}

/** The code and kind of an error: as the table of errors has it, else what ends a run and another attempt cannot mend is the spec's. */
function classify(error: unknown): ProblemKind & { readonly code: string } {
  const code = problemCode(error)
  if (code === 'INTERNAL' && error instanceof LayermillError) {
    const row = failureClass(error.code)
    if (row?.scope === 'run' && row.retry === 'never') return { code: error.code, status: 422, title: row.meaning.replace(/\.$/, '') }
  }
  return { code, ...failureTable[code].http }
}

/** An error as a problem document (RFC 9457): nothing internal, no credentials. */
export function toProblem(error: unknown, requestId: string): Problem {
  const { code, status, title } = classify(error)
  const detail = detailOf(error, code)
  const lines = detail.split('\n')
  const hint = error instanceof LayermillError && code !== 'INTERNAL' ? error.hint : undefined
  return {
    type: `urn:layermill:error:${code}`,
    title,
    status,
    detail,
    code,
    instance: `urn:layermill:request:${requestId}`,
    ...(hint === undefined ? {} : { hint: redact(hint) }),
    ...(lines.length > 1 ? { errors: lines } : {}),
  }
}
