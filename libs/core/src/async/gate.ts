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

  /** @throws what the call throws; the signal's reason, where it is aborted before the call has begun */
  async run<T>(call: () => Promise<T>, weight = 0, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (this.waiting.length > 0 || !this.hasRoom(weight)) await this.turn(weight, signal)
    else this.take(weight)
    try {
      return await call()
    } finally {
      this.running--
      this.held -= weight
      this.admitNext()
    }
  }

  /** Waits for a place. */
  private async turn(weight: number, signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        this.waiting.splice(this.waiting.indexOf(own), 1)
        reject(signal!.reason as Error)
        // Lighter ones may have waited behind it.
        this.admitNext()
      }
      const admit = (): void => {
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      const own: Waiting = { weight, admit }
      this.waiting.push(own)
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  /** The place goes to the calls that wait longest, without being free in between. */
  private admitNext(): void {
    for (let next = this.waiting[0]; next !== undefined && this.hasRoom(next.weight); next = this.waiting[0]) {
      this.waiting.shift()
      this.take(next.weight)
      next.admit()
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
