/**
 * Maps a stream, or a list, with up to `concurrency` calls under way, in order. Inputs are taken only as outputs are, so at most `concurrency` results
 * wait in memory. A failed call throws in its turn.
 */
export async function* mapOrdered<In, Out>(
  inputs: AsyncIterable<In> | Iterable<In>,
  concurrency: number,
  map: (input: In) => Promise<Out>,
): AsyncGenerator<Out> {
  const pending: Promise<Out>[] = []
  try {
    for await (const input of inputs) {
      const call = map(input)
      // A later call may fail while an earlier one is awaited; its error is thrown when its turn comes.
      call.catch(() => undefined)
      pending.push(call)
      if (pending.length < concurrency) continue
      const next = pending.shift()
      if (next !== undefined) yield await next
    }
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) yield await next
  } finally {
    await Promise.allSettled(pending)
  }
}
