import type { z } from 'zod'
import { problemMediaType } from '../problem.js'
import { Problem } from '@layermill/contracts'

interface ProblemAnswer {
  description: string
  content: Record<string, { schema: z.ZodType }>
}

const descriptions = {
  400: 'The request is malformed.',
  401: 'A token is missing or not valid.',
  403: 'The token does not allow this.',
  404: 'There is no such run.',
  409: "The run's state does not allow this, or the destination holds another run.",
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'The spec is not valid.',
  429: 'Too many wrong tokens from this address.',
  503: 'The queue or the store is not available.',
} as const

export type ProblemStatus = keyof typeof descriptions

/** Error answers of a route, for its schema: those that every guarded route has, and `statuses`. */
export function problems(...statuses: ProblemStatus[]): Record<number, ProblemAnswer> {
  const all = [...new Set<ProblemStatus>([400, 401, 403, 429, 503, ...statuses])].toSorted((a, b) => a - b)
  return Object.fromEntries(
    all.map(status => [status, { description: descriptions[status], content: { [problemMediaType]: { schema: Problem } } }]),
  )
}
