/** Keeps what was read last, up to a number of bytes; what is being read is read once for all who ask. What was not there is not kept. */
export class RecentBlocks<Value> {
  private readonly kept = new Map<string, { readonly value: Promise<Value | undefined>; readonly bytes: number }>()
  private bytes = 0

  constructor(private readonly limit: number) {}

  async get(key: string, bytes: number, read: () => Promise<Value | undefined>): Promise<Value | undefined> {
    const known = this.kept.get(key)
    const entry = known ?? { value: read(), bytes }
    // In order of use, the latest last.
    this.drop(key)
    this.kept.set(key, entry)
    this.bytes += bytes
    for (const oldest of this.kept.keys()) {
      if (this.bytes <= this.limit || oldest === key) break
      this.drop(oldest)
    }
    if (known !== undefined) return entry.value
    const value = await entry.value.catch((error: unknown) => {
      this.drop(key)
      throw error
    })
    if (value === undefined) this.drop(key)
    return value
  }

  private drop(key: string): void {
    this.bytes -= this.kept.get(key)?.bytes ?? 0
    this.kept.delete(key)
  }
}
