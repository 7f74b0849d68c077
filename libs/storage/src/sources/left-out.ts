import type { LeftOutReason } from '@layermill/models'

const exampleCount = 3

/** Counts what a listing left out, by reason and by example. */
export class LeftOut {
  private readonly reasons = new Map<string, { count: number; examples: string[]; expected: boolean }>()
  private readonly passed = new Map<string, number>()

  /** Something that somebody may miss. @param expected where it was asked for, or is a system's own */
  add(reason: string, example: string, expected = false): void {
    const known = this.reasons.get(reason) ?? { count: 0, examples: [], expected }
    known.count++
    if (known.examples.length < exampleCount) known.examples.push(example)
    this.reasons.set(reason, known)
  }

  /** Something that the command itself leaves out, as what its pattern does not match: only said where nothing else is found. */
  pass(reason: string): void {
    this.passed.set(reason, (this.passed.get(reason) ?? 0) + 1)
  }

  /** Whether something was left out that nobody asked to leave out. */
  get isUnexpected(): boolean {
    return [...this.reasons.values()].some(({ expected }) => !expected)
  }

  /** The most frequent reasons first. */
  table(): LeftOutReason[] {
    return [...this.reasons]
      .sort(([, a], [, b]) => b.count - a.count)
      .map(([reason, { count, examples, expected }]) => ({ reason, count, examples: [...examples], ...(expected ? { expected } : {}) }))
  }

  /** How many were left out for a reason. */
  count(reason: string): number {
    return this.reasons.get(reason)?.count ?? this.passed.get(reason) ?? 0
  }

  /** Such as `skipped 12 .txt, 3 hidden`: for a source where nothing else is. */
  toString(): string {
    const all: (readonly [string, number])[] = [...this.passed, ...[...this.reasons].map(([reason, { count }]) => [reason, count] as const)]
    if (all.length === 0) return 'nothing at all is there'
    const sorted = all.sort((a, b) => b[1] - a[1])
    const shown = sorted.slice(0, 8).map(([reason, count]) => `${count} ${reason}`)
    return `skipped ${shown.join(', ')}${sorted.length > 8 ? ` and ${sorted.length - 8} other kinds` : ''}`
  }
}
