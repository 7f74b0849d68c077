import { classify } from '@layermill/core'
import { doubtsPath } from '@layermill/contracts'
import { type ImageSource, type ManifestRow, mapOrdered, type Store } from '@layermill/storage'
import { LeftToOthers } from '../fitness/guarded.js'

/** Failures of an image that may be of the place it was looked at from. */
const doubtful: ReadonlySet<string> = new Set(['IMAGE_MISSING', 'IMAGE_UNREADABLE', 'IMAGE_CHANGED', 'IMAGE_DENIED'])

/** The images of a part that each worker could not read. */
type Doubts = ReadonlyMap<string, ReadonlySet<string>>

/** One worker among others: what is missing for it alone is not missing. */
export interface AmongWorkers {
  /** This worker. */
  readonly worker: string
  /** Other workers that could do the run's parts just now. */
  readonly others: (run: string) => Promise<readonly string[]>
}

export interface PartDoubtsOptions {
  readonly run: string
  readonly part: number
  readonly store: Store
  readonly source: ImageSource
  readonly rows: readonly ManifestRow[]
  readonly readAhead: number
  /** Left out: nobody else can be asked. */
  readonly among: AmongWorkers | undefined
}

async function readDoubts(store: Store, path: string): Promise<Map<string, ReadonlySet<string>>> {
  const bytes = await store.get(path)
  const value: unknown = bytes === undefined ? {} : JSON.parse(new TextDecoder().decode(bytes))
  return new Map(Object.entries(value as Record<string, string[]>).map(([worker, keys]) => [worker, new Set(keys)]))
}

/**
 * Whether a part's images that cannot be read here are to be recorded so. First it is asked whether the source can be reached at all; then,
 * where other workers are there, each image must have been missed by one of them as well, or all of them have tried the part.
 */
export class PartDoubts {
  private reached = false
  private known: Promise<{ readonly doubts: Doubts; readonly settled: boolean }> | undefined

  constructor(private readonly options: PartDoubtsOptions) {}

  /**
   * Looks at an image that failed here.
   * @throws LayermillError `SOURCE_MISSING`, `SOURCE_DENIED`, `SOURCE_UNREACHABLE` where it is not the image; `LeftToOthers` where another
   *   worker is to try the part first
   */
  async look(row: ManifestRow, code: string): Promise<void> {
    if (!doubtful.has(code)) return
    if (!this.reached) await this.options.source.reachable?.()
    this.reached = true
    // An image that was missing when it was listed leaves nothing to doubt.
    if (row.etag === '' || this.options.among === undefined) return
    this.known ??= this.ask(this.options.among)
    const { doubts, settled } = await this.known
    if (settled || this.confirmed(row.key, doubts)) return
    await this.leave(this.options.among, doubts)
  }

  private get path(): string {
    return doubtsPath(this.options.part)
  }

  private confirmed(key: string, doubts: Doubts): boolean {
    return [...doubts].some(([worker, keys]) => worker !== this.options.among?.worker && keys.has(key))
  }

  private async ask({ others }: AmongWorkers): Promise<{ doubts: Doubts; settled: boolean }> {
    const { store, run } = this.options
    const [doubts, present] = await Promise.all([readDoubts(store, this.path), others(run)])
    return { doubts, settled: present.every(worker => doubts.has(worker)) }
  }

  /** Notes all that cannot be read here, without computing, so that one other worker's look is enough. */
  private async leave({ worker }: AmongWorkers, doubts: Doubts): Promise<never> {
    const { store, rows, part } = this.options
    const missing: string[] = []
    const asked = rows.filter(({ from, etag }) => from === undefined && etag !== '')
    for await (const key of mapOrdered(asked, this.options.readAhead, row => this.missed(row))) if (key !== undefined) missing.push(key)
    const all = { ...Object.fromEntries([...doubts].map(([name, keys]) => [name, [...keys]])), [worker]: missing }
    await store.put(this.path, `${JSON.stringify(all)}\n`, { contentType: 'application/json' })
    throw new LeftToOthers(
      `${missing.length} image${missing.length === 1 ? '' : 's'} of part ${part} cannot be read here (${missing[0] ?? ''} first): another worker tries before that is recorded`,
    )
  }

  private async missed(row: ManifestRow): Promise<string | undefined> {
    try {
      await this.options.source.read(row)
      return undefined
    } catch (error) {
      const { code, scope } = classify(error)
      if (scope !== 'image') throw error
      return doubtful.has(code) ? row.key : undefined
    }
  }
}
