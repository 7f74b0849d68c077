import { HistoryEntry, Latest, parseRecord, serializeJsonRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { changeObject, requireExactSwaps, type Store } from '@layermill/storage'
import { registryKind } from './versions.js'

const latestPath = (name: string): string => `models/${name}/latest.json`
const historyPath = (name: string): string => `models/${name}/history.jsonl`

function parseHistory(bytes: Uint8Array | undefined, where: string): HistoryEntry[] {
  if (bytes === undefined) return []
  const lines = new TextDecoder()
    .decode(bytes)
    .split('\n')
    .filter(line => line !== '')
  return lines.map((line, i) => parseRecord(HistoryEntry, line, `${where} line ${i + 1}`))
}

function parseLatest(bytes: Uint8Array | undefined, store: Store, name: string): Latest | undefined {
  return bytes === undefined ? undefined : parseRecord(Latest, bytes, `${store.url}/${latestPath(name)}`)
}

/** The latest version of a model, or undefined where none was promoted yet. */
export async function readLatest(store: Store, name: string): Promise<Latest | undefined> {
  return parseLatest(await store.get(latestPath(name)), store, name)
}

/** All that happened to a model, oldest first, also what was not written down before its writer died. */
export async function readHistory(store: Store, name: string): Promise<HistoryEntry[]> {
  // In this order: what is swapped in between is in neither, rather than in the one and missed before it.
  const latest = await readLatest(store, name)
  const entries = parseHistory(await store.get(historyPath(name)), `${store.url}/${historyPath(name)}`)
  const written = entries.at(-1)?.sequence ?? 0
  return latest !== undefined && latest.entry.sequence > written ? [...entries, latest.entry] : entries
}

const busy = (store: Store, name: string) => (): LayermillError =>
  new LayermillError('REGISTRY_BUSY', `${store.url}: ${name} is being changed by others all the time`, { hint: 'try again' })

/** Appends the entry of `latest.json` to the history unless it is there. */
async function writeDown(store: Store, name: string, { entry }: Latest): Promise<void> {
  const key = historyPath(name)
  await changeObject(
    store,
    key,
    bytes => {
      const written = parseHistory(bytes, `${store.url}/${key}`).at(-1)?.sequence ?? 0
      if (written >= entry.sequence) return undefined
      return { value: entry, text: `${bytes === undefined ? '' : new TextDecoder().decode(bytes)}${JSON.stringify(entry)}\n` }
    },
    busy(store, name),
  )
}

/** Change to the state: gives the next one, or undefined where it is not to be made any more. */
export type Change = (
  now: Latest | undefined,
) => (Omit<Latest, 'entry' | 'format' | 'name'> & { readonly entry: Omit<HistoryEntry, 'sequence'> }) | undefined

/**
 * Changes which version is the latest: by compare and swap on `latest.json`, which also carries the entry of the history. Whoever makes the
 * next change writes it down first, so that the history has no gaps whoever dies when.
 *
 * @returns the state after the change; undefined where `change` did not want it any more
 * @throws what `change` throws; LayermillError `REGISTRY_BUSY`; as the store does
 */
export async function changeLatest(store: Store, name: string, change: Change): Promise<Latest | undefined> {
  await requireExactSwaps(store, registryKind)
  const changed = await changeObject(
    store,
    latestPath(name),
    async bytes => {
      const now = parseLatest(bytes, store, name)
      if (now !== undefined) await writeDown(store, name, now)
      const wanted = change(now)
      if (wanted === undefined) return undefined
      const entry: HistoryEntry = { sequence: (now?.entry.sequence ?? 0) + 1, ...wanted.entry }
      const value: Latest = { format: 'layermill-latest', name, ...wanted, entry }
      return { value, text: serializeJsonRecord(value) }
    },
    busy(store, name),
  )
  if (changed !== undefined) await writeDown(store, name, changed)
  return changed
}
