/** A cached value in use; `done` lets it be dropped once others need the room. */
export interface Lease<Value> {
  readonly value: Value
  done(): void
}

interface Entry<Value> {
  readonly value: Promise<Value>
  leases: number
  /** 0 until it is made. */
  bytes: number
}

/**
 * Keeps up to `capacity` costly values, the one used longest ago dropped first. A value in use is never dropped, so for a while there may
 * be more. Making a value once serves all who ask for it meanwhile; a failure is not kept.
 *
 * @param bytesOf memory of a value in bytes, for `shrinkTo`
 */
export class LeaseCache<Value> {
  /** In order of use, the latest last. */
  private readonly entries = new Map<string, Entry<Value>>()

  constructor(
    private readonly capacity: number,
    private readonly dispose: (value: Value) => Promise<void>,
    private readonly bytesOf: (value: Value) => number = () => 0,
  ) {}

  /** Bytes of all that is kept, in use or not. */
  get bytes(): number {
    return [...this.entries.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  async lease(key: string, create: () => Promise<Value>): Promise<Lease<Value>> {
    const entry = this.entries.get(key) ?? { value: create(), leases: 0, bytes: 0 }
    this.entries.delete(key)
    this.entries.set(key, entry)
    entry.leases++
    try {
      const value = await entry.value
      entry.bytes = this.bytesOf(value)
      let open = true
      const done = (): void => {
        if (open) entry.leases--
        open = false
        this.shrink()
      }
      this.shrink()
      return { value, done }
    } catch (error) {
      if (this.entries.get(key) === entry) this.entries.delete(key)
      throw error
    }
  }

  /** Forgets a value, which is made anew when it is next asked for. Who has it keeps it; nothing is disposed of. */
  forget(key: string): void {
    this.entries.delete(key)
  }

  /** Drops everything, in use or not. */
  async clear(): Promise<void> {
    const entries = [...this.entries.values()]
    this.entries.clear()
    await Promise.all(entries.map(entry => this.drop(entry)))
  }

  /** Drops values that nobody uses, the one used longest ago first, until all take at most so many bytes; waits for their end. */
  async shrinkTo(bytes: number): Promise<void> {
    const dropped: Entry<Value>[] = []
    for (const [key, entry] of this.entries) {
      if (this.bytes <= bytes) break
      if (entry.leases > 0) continue
      this.entries.delete(key)
      dropped.push(entry)
    }
    await Promise.allSettled(dropped.map(entry => this.drop(entry)))
  }

  private shrink(): void {
    for (const [key, entry] of this.entries) {
      if (this.entries.size <= this.capacity) return
      if (entry.leases > 0) continue
      this.entries.delete(key)
      void this.drop(entry)
    }
  }

  private async drop(entry: Entry<Value>): Promise<void> {
    await entry.value.then(this.dispose, () => undefined)
  }
}
