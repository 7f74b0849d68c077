/** When the same work is worth trying again: not at all, later and later, or (a part's images) each on its own. */
export type Retry = 'never' | 'backoff' | 'alone'
/**
 * Extent of a failure that is not tried again: one image (recorded in `errors`), its part's job, the run, or a request to the HTTP API.
 * `worker`: it may be that one worker's alone, which hands the job to another; it ends the run where no worker can carry it, or where
 * the run's own orchestrator meets it.
 */
export type FailureScope = 'image' | 'part' | 'worker' | 'run' | 'request'

export interface FailureClass {
  readonly retry: Retry
  readonly scope: FailureScope
  /** One sentence for people. */
  readonly meaning: string
}

/** Answer of the HTTP API: status and title of a problem document (RFC 9457). */
export interface ProblemKind {
  readonly status: number
  readonly title: string
}

/** A row of the table. */
export interface ErrorClass extends FailureClass {
  /**
   * `UNAVAILABLE`: the API answers as that code does, since it may work later. Without it a code that ends a run for good is 422 with its
   * meaning, any other an internal error.
   */
  readonly http?: ProblemKind | 'UNAVAILABLE' | undefined
  /** `usage`: the command itself was wrong. Without it the command failed. */
  readonly exit?: 'usage' | undefined
}
