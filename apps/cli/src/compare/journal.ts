import { createHash } from 'node:crypto'
import { columnMeans, type GramState } from '@layermill/analysis'
import { LayermillError, version } from '@layermill/core'
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
  /** Writes it whatever is in it: others that share the comparison see that it is under way. */
  begin(): Promise<void>
  /** Writes it as one that lacks nothing: the block is done. */
  end(): Promise<void>
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
  /** Of a block: everything that it is to find is there. */
  readonly ended?: true
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

const blockFile = (block: number): string => `${blockPrefix}${block}.json`

/** Those of some blocks whose journals lack nothing. */
export async function endedBlocks(store: Store, key: string, blocks: readonly number[]): Promise<number[]> {
  const journals = await Promise.all(blocks.map(async block => parsed(await store.get(blockFile(block)), key)))
  return blocks.filter((_, i) => journals[i]?.ended === true)
}

/**
 * Refuses a folder in which no comparison is under way that others share: it is not the one that they see.
 * @param key of the comparison; without, any will do
 * @throws LayermillError `NOT_RECORDED`, `FEATURES_INVALID` where it compares other numbers
 */
export async function requireBegun(store: Store, key?: string): Promise<void> {
  const bytes = await store.get(fileName)
  if (bytes === undefined) {
    throw new LayermillError('NOT_RECORDED', `${store.url}: no comparison is under way here, expected the one that a command began`, {
      hint: 'it may have ended; else give the command a folder of a disk that all share, or s3://bucket/prefix',
    })
  }
  if (key !== undefined && parsed(bytes, key) === undefined) {
    throw new LayermillError(
      'FEATURES_INVALID',
      `${store.url}: the comparison under way is of other numbers or another version than what is found here`,
      { hint: 'the same places may hold other files on another machine: give a disk that all share, or s3://bucket/prefix' },
    )
  }
}

export interface BlockJournal {
  readonly block: number
  /** Whether a command elsewhere has begun the comparison, and ends it: nothing is written where it has ended meanwhile. */
  readonly isForAnother?: boolean | undefined
}

/**
 * The journal in a comparison's folder; that of another comparison is not used. It begins with what blocks have found.
 * @param of the block that this is the journal of; without, that of the whole comparison
 */
export async function openJournal(store: Store, key: string, of?: BlockJournal): Promise<Journal> {
  const block = of?.block
  const file = block === undefined ? fileName : blockFile(block)
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
  let isEnded = false
  const flush = async (): Promise<void> => {
    if (!fresh) return
    if (of?.isForAnother === true) await requireBegun(store, key)
    const record: Written = {
      key,
      ...(isEnded ? { ended: true } : {}),
      values: Object.fromEntries(values),
      ...(written === undefined ? {} : { gram: written }),
    }
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
    begin: async () => {
      fresh = true
      await flush()
    },
    end: async () => {
      isEnded = true
      fresh = true
      await flush()
    },
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
  begin: async () => {},
  end: async () => {},
  finish: async () => {},
}
