import type { QueryOptions } from '../../features/query.js'

export interface SimilarOptions extends QueryOptions {
  readonly features: string
  readonly layer?: string
  readonly top: string
  readonly metric: string
  readonly out?: string
  readonly report?: string
  readonly json?: boolean
}
