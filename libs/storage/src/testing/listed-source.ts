import type { ImageSource, SourceItem } from '../sources/source.js'

/** A source with these images, in the order of their keys; nothing is read of it. */
export function listedSource(rows: readonly SourceItem[]): ImageSource {
  async function* items({ after }: { readonly after?: string | undefined } = {}): AsyncGenerator<SourceItem> {
    yield* rows.filter(({ key }) => after === undefined || key > after)
  }
  return {
    url: '/photos',
    kind: 'folder',
    items,
    read: () => Promise.reject(new Error('nothing is read here')),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: async () => undefined,
  }
}
