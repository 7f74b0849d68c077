/** Entries that a listing met and did not take, for one reason. */
export interface LeftOutReason {
  readonly reason: string
  readonly count: number
  /** The first few, as they are named. */
  readonly examples: readonly string[]
  /** Asked for by the command, or a system's own files: nothing to worry about. */
  readonly expected?: boolean
}

/** Such as `12 .txt (a.txt, b.txt, ...), 1 hidden (.a.jpg)`; '' for an empty table. */
export function leftOutText(table: readonly LeftOutReason[]): string {
  const shown = table
    .slice(0, 8)
    .map(({ reason, count, examples }) => `${count} ${reason} (${examples.join(', ')}${count > examples.length ? ', ...' : ''})`)
  return `${shown.join(', ')}${table.length > 8 ? ` and ${table.length - 8} other kinds` : ''}`
}
