interface Waiting {
  readonly weight: number
  readonly admit: () => void
}

/**
 * Lets a fixed number of calls be under way at once, and no more weight in all than is given; the others wait in the order in which they
 * came. A call of more weight than that is under way alone.
 */
export class Gate {
  private readonly waiting: Waiting[] = []
  private running = 0
  private held = 0

  constructor(
    private readonly places: number,
    private readonly mostWeight = Infinity,
  ) {}

  async run<T>(call: () => Promise<T>, weight = 0): Promise<T> {
    if (this.waiting.length > 0 || !this.hasRoom(weight)) await new Promise<void>(admit => this.waiting.push({ weight, admit }))
    else this.take(weight)
    try {
      return await call()
    } finally {
      this.running--
      this.held -= weight
      // The place goes to the call that waits longest, without being free in between.
      for (let next = this.waiting[0]; next !== undefined && this.hasRoom(next.weight); next = this.waiting[0]) {
        this.waiting.shift()
        this.take(next.weight)
        next.admit()
      }
    }
  }

  private hasRoom(weight: number): boolean {
    return this.running < this.places && (this.running === 0 || this.held + weight <= this.mostWeight)
  }

  private take(weight: number): void {
    this.running++
    this.held += weight
  }
}
