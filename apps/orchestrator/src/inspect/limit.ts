/** Runs at most so many at once, the others in the order in which they came. */
export class Limit {
  private running = 0
  private readonly waiting: (() => void)[] = []

  constructor(private readonly most: number) {}

  async run<Result>(action: () => Promise<Result>): Promise<Result> {
    if (this.running >= this.most) await new Promise<void>(resolve => this.waiting.push(resolve))
    else this.running++
    try {
      return await action()
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.running--
      else next()
    }
  }
}
