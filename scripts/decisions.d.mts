export interface Decision {
  /** Name of the page's file in docs/decisions. */
  readonly name: string
  /** Four digits. */
  readonly number: string
  readonly title: string
  readonly area: string
  readonly status: string
  /** Of the choice, as 2026-11-24. */
  readonly date: string
  /** Files and folders that the page governs, from the workspace's root. */
  readonly files: readonly string[]
}

/**
 * Reads the header of a page.
 * @throws {Error} naming the page, where its header has another form
 */
export function parseDecision(name: string, text: string): Decision

/** Headers of all pages, in order of their numbers. */
export function readDecisions(root: string): Decision[]

/** Text of docs/decisions/README.md. */
export function decisionIndex(decisions: readonly Decision[]): string

/** Files and folders that pages govern and that are not there, as `PAGE: FILE`. */
export function missingFiles(root: string, decisions: readonly Decision[]): string[]
