/** How much of a stream is worked on at once. */
export interface Ahead<In> {
  /** Calls under way, and results that wait. */
  readonly calls: number
  /** Share of `most` that an input takes, such as its bytes. An input that is larger than all of `most` is worked on alone. */
  readonly weigh: (input: In) => number
  readonly most: number
}

/**
 * Maps a stream, or a list, with up to `ahead` calls under way, in order. Inputs are taken only as outputs are, so at most that many
 * results wait in memory. A failed call throws in its turn.
 */
export async function* mapOrdered<In, Out>(
  inputs: AsyncIterable<In> | Iterable<In>,
  ahead: number | Ahead<In>,
  map: (input: In) => Promise<Out>,
): AsyncGenerator<Out> {
  const { calls, weigh, most } = typeof ahead === 'number' ? { calls: ahead, weigh: () => 0, most: 0 } : ahead
  const pending: { readonly call: Promise<Out>; readonly weight: number }[] = []
  let held = 0
  const next = async (): Promise<Out> => {
    const { call, weight } = pending.shift()!
    const output = await call
    held -= weight
    return output
  }
  try {
    for await (const input of inputs) {
      const weight = weigh(input)
      while (pending.length > 0 && held + weight > most && weight > 0) yield await next()
      const call = map(input)
      // A later call may fail while an earlier one is awaited; its error is thrown when its turn comes.
      call.catch(() => undefined)
      pending.push({ call, weight })
      held += weight
      if (pending.length >= calls) yield await next()
    }
    while (pending.length > 0) yield await next()
  } finally {
    await Promise.allSettled(pending.map(({ call }) => call))
  }
}
