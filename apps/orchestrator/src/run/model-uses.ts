import { createHash } from 'node:crypto'
import { ModelUse, parseRecord, parseVersionUrl, type RunRecord, serializeJsonRecord } from '@layermill/contracts'
import type { Store } from '@layermill/storage'

const usesPrefix = (name: string): string => `models/${name}/uses/`

/** Notes in the registry that results were made with one of its versions; nothing for other models. One object for each destination. */
export async function noteUse(
  { id, spec }: Pick<RunRecord, 'id' | 'spec'>,
  out: string,
  time: Date,
  openStore: (url: string) => Promise<Store>,
): Promise<void> {
  const place = parseVersionUrl(spec.model)
  if (place === undefined || spec.kind !== 'extract') return
  await using store = await openStore(place.root)
  const use: ModelUse = { out, kind: spec.kind, run: id, version: place.version, time: time.toISOString() }
  const hash = createHash('sha256').update(out).digest('hex').slice(0, 32)
  await store.put(`${usesPrefix(place.name)}${hash}.json`, serializeJsonRecord(use), { contentType: 'application/json' })
}

/** Uses of any version of a model, by destination. */
export async function readUses(store: Store, name: string): Promise<ModelUse[]> {
  const uses: ModelUse[] = []
  for await (const { key } of store.list(usesPrefix(name))) {
    const bytes = await store.get(key)
    if (bytes !== undefined) uses.push(parseRecord(ModelUse, bytes, `${store.url}/${key}`))
  }
  return uses.toSorted((a, b) => (a.out < b.out ? -1 : 1))
}

/** Those of other versions than the latest: its features are not theirs. */
export function staleUses(uses: readonly ModelUse[], latest: number): ModelUse[] {
  return uses.filter(({ version }) => version !== latest)
}
