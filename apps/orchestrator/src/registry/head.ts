import { setTimeout as pause } from 'node:timers/promises'
import { LayermillError } from '@layermill/models'
import type { Store } from '@layermill/storage'
import { HistoryEntry, Latest, parseRecord, toText } from './records.js'

/** Tries of a swap before somebody is told that the model is changed all the time. */
const tries = 60

const latestPath = (name: string): string => `models/${name}/latest.json`
const historyPath = (name: string): string => `models/${name}/history.jsonl`

interface Versioned<Value> {
  readonly value: Value
  /** Undefined where there is no file yet. */
  readonly etag: string | undefined
}

/** A file with an etag that is not newer than its content: a swap on it fails where the content is not the last. */
async function readVersioned(store: Store, key: string): Promise<Versioned<Uint8Array | undefined>> {
  const entry = await store.stat(key)
  if (entry === undefined) return { value: undefined, etag: undefined }
  return { value: await store.get(key), etag: entry.etag }
}

async function swap(store: Store, key: string, text: string, etag: string | undefined): Promise<boolean> {
  return store.put(key, text, { contentType: 'application/json', ...(etag === undefined ? { ifAbsent: true } : { ifMatch: etag }) })
}

function parseHistory(bytes: Uint8Array | undefined, where: string): HistoryEntry[] {
  if (bytes === undefined) return []
  const lines = new TextDecoder().decode(bytes).split('\n').filter(line => line !== '')
  return lines.map((line, i) => parseRecord(HistoryEntry, line, `${where} line ${i + 1}`))
}

/** The latest version of a model, or undefined where none was promoted yet. */
export async function readLatest(store: Store, name: string): Promise<Latest | undefined> {
  return (await readHead(store, name)).value
}

async function readHead(store: Store, name: string): Promise<Versioned<Latest | undefined>> {
  const key = latestPath(name)
  const { value, etag } = await readVersioned(store, key)
  return { value: value === undefined ? undefined : parseRecord(Latest, value, `${store.url}/${key}`), etag }
}

/** All that happened to a model, oldest first, also what was not written down before its writer died. */
export async function readHistory(store: Store, name: string): Promise<HistoryEntry[]> {
  // In this order: what is swapped in between is in neither, rather than in the one and missed before it.
  const latest = await readLatest(store, name)
  const entries = parseHistory(await store.get(historyPath(name)), `${store.url}/${historyPath(name)}`)
  const written = entries.at(-1)?.sequence ?? 0
  return latest !== undefined && latest.entry.sequence > written ? [...entries, latest.entry] : entries
}

/** Appends the entry of `latest.json` to the history unless it is there. */
async function writeDown(store: Store, name: string, { entry }: Latest): Promise<void> {
  const key = historyPath(name)
  for (let attempt = 0; attempt < tries; attempt++) {
    const { value, etag } = await readVersioned(store, key)
    const written = parseHistory(value, `${store.url}/${key}`).at(-1)?.sequence ?? 0
    if (written >= entry.sequence) return
    const text = `${value === undefined ? '' : new TextDecoder().decode(value)}${JSON.stringify(entry)}\n`
    if (await swap(store, key, text, etag)) return
    await backOff(attempt)
  }
  throw busy(store, name)
}

const busy = (store: Store, name: string): LayermillError =>
  new LayermillError('REGISTRY_BUSY', `${store.url}: ${name} is being changed by others all the time`, { hint: 'try again' })

/** Those who lost to each other must not meet again at the same moment. */
async function backOff(attempt: number): Promise<void> {
  await pause(Math.random() * Math.min(500, 10 * 2 ** attempt))
}

/** What a change makes of the state: the next one, or undefined where it is not to be made any more. */
export type Change = (now: Latest | undefined) => Omit<Latest, 'entry' | 'format' | 'name'> & { readonly entry: Omit<HistoryEntry, 'sequence'> } | undefined

/**
 * Changes which version is the latest: by compare and swap on `latest.json`, which also carries the entry of the history. Whoever makes the
 * next change writes it down first, so that the history has no gaps whoever dies when.
 *
 * @returns the state after the change; undefined where `change` did not want it any more
 * @throws what `change` throws; LayermillError `REGISTRY_BUSY`; as the store does
 */
export async function changeLatest(store: Store, name: string, change: Change): Promise<Latest | undefined> {
  for (let attempt = 0; attempt < tries; attempt++) {
    const { value: now, etag } = await readHead(store, name)
    if (now !== undefined) await writeDown(store, name, now)
    const wanted = change(now)
    if (wanted === undefined) return undefined
    const entry: HistoryEntry = { sequence: (now?.entry.sequence ?? 0) + 1, ...wanted.entry }
    const next: Latest = { format: 'layermill-latest', name, ...wanted, entry }
    if (await swap(store, latestPath(name), toText(next), etag)) {
      await writeDown(store, name, next)
      return next
    }
    await backOff(attempt)
  }
  throw busy(store, name)
}
