import { parseStored, RunSummary, type RunWords, serializeJsonRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { changeObject, type Store } from '@layermill/storage'
import * as z from 'zod'

/** A run as the shelf has it: its place, and how it was when it was last looked at. */
const ShelvedRun = z.object({ version: z.literal(1), store: z.string(), summary: RunSummary })
export type ShelvedRun = z.output<typeof ShelvedRun>

const folder = 'runs/'
const keyOf = (id: string): string => `${folder}${id}.json`
/** Milliseconds for which the list is taken as it was read. */
const fresh = 3000
/** Entries read at once. */
const together = 32

/** Fields with text in them; an empty one means that it is taken away. */
function withWords(summary: RunSummary, { name, tags, notes }: RunWords): RunSummary {
  const { name: oldName, tags: oldTags, notes: oldNotes, ...rest } = summary
  const next = { name: name ?? oldName, tags: tags ?? oldTags, notes: notes ?? oldNotes }
  return {
    ...rest,
    ...(next.name === undefined || next.name.trim() === '' ? {} : { name: next.name.trim() }),
    ...(next.tags === undefined || next.tags.length === 0 ? {} : { tags: [...new Set(next.tags)] }),
    ...(next.notes === undefined || next.notes.trim() === '' ? {} : { notes: next.notes }),
  }
}

/**
 * Runs as files of a store, one each, which outlive the queue: where their results are, what they were like, and the words of people on
 * them. Any number of processes may write.
 */
export class ShelfStore {
  private readonly known = new Map<string, { readonly etag: string; readonly run: ShelvedRun }>()
  private read: { time: number; runs: Promise<readonly ShelvedRun[]> } | undefined

  constructor(private readonly store: Store) {}

  /** All of them, in no order; at most three seconds old. An entry that cannot be read is left out. */
  all(): Promise<readonly ShelvedRun[]> {
    const now = performance.now()
    if (this.read !== undefined && now - this.read.time < fresh) return this.read.runs
    const runs = this.readAll()
    this.read = { time: now, runs }
    runs.catch(() => {
      this.read = undefined
    })
    return runs
  }

  async get(id: string): Promise<ShelvedRun | undefined> {
    const bytes = await this.store.get(keyOf(id))
    return bytes === undefined ? undefined : parseStored(ShelvedRun, bytes, `${this.store.url}/${keyOf(id)}`)
  }

  /** Notes a run as it is now; the words of people on it stay. */
  async note(store: string, summary: RunSummary): Promise<ShelvedRun> {
    return this.change(summary.id, old => ({ version: 1, store, summary: withWords(summary, old?.summary ?? {}) }))
  }

  /** @param found run and its place, where the shelf has none yet */
  async describe(found: { readonly store: string; readonly summary: RunSummary }, words: RunWords): Promise<ShelvedRun> {
    const { store, summary } = found
    return this.change(summary.id, old => ({ version: 1, store, summary: withWords({ ...summary, ...wordsOf(old?.summary) }, words) }))
  }

  async close(): Promise<void> {
    await this.store.close()
  }

  private async change(id: string, change: (old: ShelvedRun | undefined) => ShelvedRun): Promise<ShelvedRun> {
    const where = `${this.store.url}/${keyOf(id)}`
    const changed = await changeObject(
      this.store,
      keyOf(id),
      bytes => {
        const value = change(bytes === undefined ? undefined : parseStored(ShelvedRun, bytes, where))
        return { value, text: serializeJsonRecord(value) }
      },
      () => new LayermillError('STORE_BUSY', `${where} is written by others all the time`),
    )
    this.read = undefined
    return changed!
  }

  private async readAll(): Promise<readonly ShelvedRun[]> {
    const entries: { key: string; etag: string }[] = []
    for await (const { key, etag } of this.store.list(folder)) entries.push({ key, etag })
    const wanted = entries.filter(({ key, etag }) => this.known.get(key)?.etag !== etag)
    for (let i = 0; i < wanted.length; i += together) await Promise.all(wanted.slice(i, i + together).map(entry => this.readOne(entry)))
    const there = new Set(entries.map(({ key }) => key))
    for (const key of this.known.keys()) if (!there.has(key)) this.known.delete(key)
    return [...this.known.values()].map(({ run }) => run)
  }

  private async readOne({ key, etag }: { key: string; etag: string }): Promise<void> {
    const bytes = await this.store.get(key)
    try {
      if (bytes !== undefined) this.known.set(key, { etag, run: parseStored(ShelvedRun, bytes, `${this.store.url}/${key}`) })
    } catch {
      this.known.delete(key)
    }
  }
}

/** Words of people that a summary carries. */
export const wordsOf = ({ name, tags, notes }: Partial<RunSummary> = {}): RunWords => ({
  ...(name === undefined ? {} : { name }),
  ...(tags === undefined ? {} : { tags }),
  ...(notes === undefined ? {} : { notes }),
})
