/** Lets a fixed number of calls be under way at once; the others wait in the order in which they came. */
export class Gate {
  private readonly waiting: (() => void)[] = []
  private running = 0

  constructor(private readonly places: number) {}

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.running >= this.places) await new Promise<void>(resolve => this.waiting.push(resolve))
    else this.running++
    try {
      return await call()
    } finally {
      // The place goes to who waits longest, without being free in between.
      const next = this.waiting.shift()
      if (next === undefined) this.running--
      else next()
    }
  }
}
