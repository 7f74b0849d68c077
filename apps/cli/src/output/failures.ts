import type { ErrorRow } from '@layermill/storage'
import { formatCount, formatPlural } from './format.js'
import type { Output } from './output.js'

/** Images that are named one by one. */
const shownFailures = 10

/** Images that were left out. */
export interface Failures {
  /** How many in all. */
  readonly failed: number
  /** The first of them. */
  readonly rows: readonly ErrorRow[]
  /** Place where all of them can be seen, for people. */
  readonly where: string
}

/** Names up to ten images that were left out, each with its reason, and says where the rest is; nothing where there are none. */
export function sayFailures(output: Output, { failed, rows, where }: Failures, json = false): void {
  if (failed === 0) return
  const shown = rows.slice(0, shownFailures)
  if (json) {
    for (const row of shown) output.json({ event: 'failure', ...row })
    return
  }
  const more = failed - shown.length
  const lines = shown.map(({ key, code, reason }) => `  ${key}: ${reason}  [${code}]`)
  const rest = more > 0 ? [`  and ${formatCount(more)} more`] : []
  output.note([`${formatPlural(failed, 'image')} failed:`, ...lines, ...rest, `  (${where})`].join('\n'))
}
