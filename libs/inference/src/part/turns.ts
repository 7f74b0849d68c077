interface Waiting {
  readonly turn: number
  readonly weight: number
  readonly admit: () => void
}

/**
 * Bounds what rows that are worked on ahead hold, by weight: a row waits until there is room, or until all before it have been taken, so
 * that the one that is waited for never waits itself. Rows are numbered from 0 in the order in which they are taken.
 */
export class Turns {
  private readonly held = new Map<number, number>()
  private waiting: Waiting[] = []
  private total = 0
  private taken = 0

  constructor(private readonly most: number) {}

  async enter(turn: number, weight: number): Promise<void> {
    if (this.hasRoom(turn, weight)) this.hold(turn, weight)
    else await new Promise<void>(admit => this.waiting.push({ turn, weight, admit }))
  }

  /** The next row has been taken, whether it held anything or not. */
  take(): void {
    this.total -= this.held.get(this.taken) ?? 0
    this.held.delete(this.taken++)
    const still: Waiting[] = []
    for (const row of this.waiting.toSorted((a, b) => a.turn - b.turn)) {
      if (!this.hasRoom(row.turn, row.weight)) still.push(row)
      else {
        this.hold(row.turn, row.weight)
        row.admit()
      }
    }
    this.waiting = still
  }

  private hasRoom(turn: number, weight: number): boolean {
    return turn <= this.taken || this.total + weight <= this.most
  }

  private hold(turn: number, weight: number): void {
    this.held.set(turn, weight)
    this.total += weight
  }
}
