import { createHash } from 'node:crypto'
import { columnMeans, type GramState } from '@layermill/analysis'
import { version } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { Aligned } from './align.js'
import type { NamedSet } from './feature-sets.js'

/** Values of a comparison that are done, for one that is started again. */
export interface Journal {
  /** Numbers of a pair that are known, under a measure's name. */
  get<Value>(measure: string, pair: number): Value | undefined
  set(measure: string, pair: number, value: unknown): Promise<void>
  readonly gram: GramState | undefined
  keepGram(state: GramState): Promise<void>
  /** Writes what is not yet there. */
  flush(): Promise<void>
  /** Takes the files away: the comparison is complete. */
  finish(): Promise<void>
}

const fileName = 'progress.json'
/** Begins the names of the journals of jobs that share a comparison. */
const blockPrefix = 'progress-'
/** Milliseconds between two writes: what is lost at most where a process is killed. */
const writeMs = 5000

interface Written {
  readonly key: string
  readonly values: Readonly<Record<string, unknown>>
  readonly gram?: { readonly size: number; readonly done: number; readonly off: string; readonly squares: readonly string[] }
}

const text = (numbers: Float64Array): string => Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString('base64')

function numbers(base64: string): Float64Array {
  const bytes = Buffer.from(base64, 'base64')
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

/** Changes with every option, set, key and number: column means stand for the numbers. */
export async function comparisonKey({ sets, keys, rows }: Aligned, settings: unknown, targets?: NamedSet): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([version, settings, rows, keys ?? null]))
  for (const { name, source } of targets === undefined ? sets : [...sets, targets]) {
    const means = await columnMeans(source)
    hash.update(JSON.stringify([name, source.columns])).update(new Uint8Array(means.buffer, means.byteOffset, means.byteLength))
  }
  return hash.digest('hex')
}

function parsed(bytes: Uint8Array | undefined, key: string): Written | undefined {
  if (bytes === undefined) return undefined
  try {
    const found = JSON.parse(Buffer.from(bytes).toString('utf8')) as Written
    return found.key === key ? found : undefined
  } catch {
    // A journal that cannot be read is begun anew.
    return undefined
  }
}

async function blockFiles(store: Store): Promise<string[]> {
  const files: string[] = []
  for await (const entry of store.list(blockPrefix)) files.push(entry.key)
  return files
}

/**
 * The journal in a comparison's folder; that of another comparison is not used. It begins with what blocks have found.
 * @param block number of the block that this is the journal of; without, that of the whole comparison
 */
export async function openJournal(store: Store, key: string, block?: number): Promise<Journal> {
  const file = block === undefined ? fileName : `${blockPrefix}${block}.json`
  const found = parsed(await store.get(file), key)
  const values = new Map(Object.entries(found?.values ?? {}))
  for (const name of block === undefined ? await blockFiles(store) : []) {
    for (const [pair, value] of Object.entries(parsed(await store.get(name), key)?.values ?? {})) values.set(pair, value)
  }
  const gram =
    found?.gram === undefined ? undefined : { ...found.gram, off: numbers(found.gram.off), squares: found.gram.squares.map(numbers) }
  let written = found?.gram
  let last = performance.now()
  let fresh = false
  const flush = async (): Promise<void> => {
    if (!fresh) return
    const record: Written = { key, values: Object.fromEntries(values), ...(written === undefined ? {} : { gram: written }) }
    await store.put(file, JSON.stringify(record))
    last = performance.now()
    fresh = false
  }
  const due = (): boolean => performance.now() - last >= writeMs
  return {
    get: <Value>(measure: string, pair: number) => values.get(`${measure}:${pair}`) as Value | undefined,
    set: async (measure, pair, value) => {
      values.set(`${measure}:${pair}`, value)
      fresh = true
      if (due()) await flush()
    },
    gram,
    keepGram: async ({ size, done, off, squares }) => {
      if (!due()) return
      written = { size, done, off: text(off), squares: squares.map(text) }
      fresh = true
      await flush()
    },
    flush,
    finish: async () => {
      for (const name of [fileName, ...(await blockFiles(store))]) await store.delete(name)
    },
  }
}

/** For a comparison that writes nothing. */
export const noJournal: Journal = {
  get: () => undefined,
  set: async () => {},
  gram: undefined,
  keepGram: async () => {},
  flush: async () => {},
  finish: async () => {},
}
