/** Bytes that come in pieces; tells errors of where they come from, which are the caller's own, from those of writing them. */
export class Pieces implements AsyncIterable<Uint8Array> {
  private failure: { readonly error: unknown } | undefined

  constructor(private readonly source: AsyncIterable<Uint8Array>) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.source
    } catch (error) {
      this.failure = { error }
      throw error
    }
  }

  /** Whether an error is one that the source threw. */
  threw(error: unknown): boolean {
    return this.failure !== undefined && this.failure.error === error
  }
}
