import { type ErrorRow, listParts, parseErrors, type Store } from '@layermill/storage'

/** Failed images that are named one by one, for people. */
export const namedFailures = 10

/** The first images that a run left out, by part, with their reasons: at most `most`, which is ten by default. */
export async function readFailures(store: Store, most = namedFailures): Promise<ErrorRow[]> {
  const failures: ErrorRow[] = []
  for await (const { key } of listParts(store, 'errors/')) {
    if (failures.length >= most) break
    const bytes = await store.get(key)
    if (bytes !== undefined) failures.push(...parseErrors(bytes, `${store.url}/${key}`))
  }
  return failures.slice(0, most)
}

/** Up to ten failed images of `total` in one line, each with its reason. */
export function describeFailures(failures: readonly ErrorRow[], total: number): string {
  const shown = failures.slice(0, namedFailures).map(({ key, reason }) => `${key}: ${reason}`)
  const more = total - shown.length
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}
