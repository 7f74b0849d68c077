import { LayermillError } from '@layermill/core'
import { compareUtf8, type Store } from '@layermill/storage'
import { changeLatest, readHistory, readLatest } from './head.js'
import {
  checkModelName,
  type HistoryEntry,
  type Latest,
  type ManualChange,
  type ModelDetail,
  type ModelReference,
  type ModelSummary,
  type Promotion,
  type VersionRecord,
  versionUrl,
} from '@layermill/contracts'
import { readUses, staleUses } from '../run/model-uses.js'
import { isComplete, readEvaluation, readVersion, readVersions } from './versions.js'

/** Versions that rollback can go back through. */
const trailLength = 1000
/** Feature sets named in an entry of the history. */
const namedStale = 100

/** Outcome of registering a run's model. */
export type Verdict = Pick<HistoryEntry, 'version' | 'by' | 'reason' | 'run' | 'bootstrap'> & {
  readonly promoted: boolean
  readonly sha256: string
  /** The version that it was held against; undefined for the first. */
  readonly champion: number | undefined
}

export interface RegistryOptions {
  readonly now?: () => Date
  /** Told of every change of a latest version, once it has happened. A failure of it does not undo the change. */
  readonly onPromoted?: ((promotion: Promotion) => Promise<void> | void) | undefined
}

/** Models with versions, one of which is the latest, in a store that all share. All state is there: any number of processes may use it. */
export class ModelRegistry {
  constructor(
    readonly store: Store,
    private readonly options: RegistryOptions = {},
  ) {}

  /** All models, by name. */
  async list(): Promise<ModelSummary[]> {
    const names = new Set<string>()
    for (;;) {
      // From one model to the next, past the files of each.
      const last = [...names].at(-1)
      const next = await firstKey(this.store, last === undefined ? undefined : `models/${last}0`)
      const name = next?.split('/')[1]
      if (name === undefined) break
      names.add(name)
    }
    return Promise.all([...names].sort(compareUtf8).map(name => this.summary(name)))
  }

  private async summary(name: string): Promise<ModelSummary> {
    const [latest, versions] = await Promise.all([readLatest(this.store, name), readVersions(this.store, name)])
    return { name, latest: latest?.version, versions: versions.length, promoted: latest?.promoted }
  }

  /** @throws LayermillError `MODEL_NOT_REGISTERED` */
  async get(name: string): Promise<ModelDetail> {
    const [versions, latest, history, uses] = await Promise.all([
      this.records(name),
      readLatest(this.store, name),
      readHistory(this.store, name),
      readUses(this.store, name),
    ])
    const details = await Promise.all(
      versions.map(async ({ format: _format, ...record }): Promise<ModelDetail['details'][number]> => ({
        ...record,
        url: versionUrl({ root: this.store.url, name, version: record.version }),
        latest: record.version === latest?.version,
        complete: await isComplete(this.store, name, record.version),
        evaluation: await readEvaluation(this.store, name, record.version),
      })),
    )
    const stale = new Set(latest === undefined ? [] : staleUses(uses, latest.version))
    return {
      name,
      latest: latest?.version,
      previous: latest?.trail.at(-1),
      versions: versions.length,
      promoted: latest?.promoted,
      details: details.toReversed(),
      history: history.toReversed(),
      uses: uses.map(use => ({ ...use, stale: stale.has(use) })),
    }
  }

  /**
   * Makes a version the latest, whatever its evaluation said.
   * @throws LayermillError `MODEL_NOT_REGISTERED`, `REGISTRY_CONFLICT` where `from` does not hold or it is the latest already,
   * `REGISTRY_BUSY`
   */
  async promote(name: string, version: number, change: ManualChange): Promise<Latest> {
    const { sha256 } = await this.completeVersion(name, version)
    const stale = await this.staleAt(name, version)
    return this.announce(
      name,
      await changeLatest(this.store, name, now => {
        checkFrom(name, now, change)
        if (now?.version === version) throw new LayermillError('REGISTRY_CONFLICT', `${name}@${version} is the latest already`)
        return this.next(now, { event: 'promoted', version, sha256, by: change.by, reason: change.reason ?? 'by hand', stale })
      }),
    )
  }

  /**
   * Makes the version that was the latest before the one that is the latest again; once more goes back one further.
   * @throws LayermillError `MODEL_NOT_REGISTERED`, `ROLLBACK_IMPOSSIBLE`, `REGISTRY_CONFLICT` where `from` does not hold, `REGISTRY_BUSY`
   */
  async rollback(name: string, change: ManualChange): Promise<Latest> {
    for (;;) {
      const now = await this.promotedVersion(name)
      checkFrom(name, now, change)
      const version = now.trail.at(-1)
      if (version === undefined) {
        throw new LayermillError('ROLLBACK_IMPOSSIBLE', `${name}: there is no version before ${now.version} to go back to`, {
          hint: `layermill models promote ${name} N makes any other version the latest`,
        })
      }
      const { sha256 } = await this.completeVersion(name, version)
      const stale = await this.staleAt(name, version)
      const done = await changeLatest(this.store, name, current => {
        if (current?.entry.sequence !== now.entry.sequence) return undefined
        const next = this.next(current, { event: 'rolled-back', version, sha256, by: change.by, reason: change.reason ?? 'by hand', stale })
        return { ...next, trail: now.trail.slice(0, -1) }
      })
      // Somebody was faster: what was before is another version now.
      if (done !== undefined) return this.announce(name, done)
    }
  }

  /**
   * Writes down what became of a run's model, and makes it the latest where it was promoted.
   * @returns the state afterwards; undefined where another version became the latest meanwhile: then it has to be judged anew
   */
  async conclude(name: string, { champion, promoted, sha256, ...verdict }: Verdict): Promise<Latest | undefined> {
    const stale = promoted ? await this.staleAt(name, verdict.version) : []
    const done = await changeLatest(this.store, name, now => {
      if (now?.version !== champion) return undefined
      if (promoted) return this.next(now, { event: 'promoted', ...verdict, sha256, stale })
      const { version: _version, sha256: _sha256, ...same } = this.next(now, { event: 'kept', ...verdict, sha256, stale })
      return { ...same, version: now!.version, sha256: now!.sha256, promoted: now!.promoted, trail: now!.trail }
    })
    return done !== undefined && promoted ? this.announce(name, done) : done
  }

  /**
   * The folder or URL of what is asked for, as it is at this moment.
   * @throws LayermillError `MODEL_NOT_REGISTERED`
   */
  async resolve({ name, version }: ModelReference): Promise<string> {
    const found = version === 'latest' ? (await this.promotedVersion(name)).version : (await this.completeVersion(name, version)).version
    return versionUrl({ root: this.store.url, name, version: found })
  }

  private next(
    now: Latest | undefined,
    { sha256, stale, ...entry }: Omit<HistoryEntry, 'sequence' | 'previous' | 'time' | 'stale'> & { sha256: string; stale: string[] },
  ): Omit<Latest, 'entry' | 'format' | 'name'> & { entry: Omit<HistoryEntry, 'sequence'> } {
    const time = (this.options.now?.() ?? new Date()).toISOString()
    return {
      version: entry.version,
      sha256,
      promoted: time,
      trail: now === undefined ? [] : [...now.trail, now.version].slice(-trailLength),
      entry: { ...entry, time, ...(now === undefined ? {} : { previous: now.version }), ...(stale.length === 0 ? {} : { stale }) },
    }
  }

  private async staleAt(name: string, latest: number): Promise<string[]> {
    return staleUses(await readUses(this.store, name), latest)
      .map(({ out }) => out)
      .slice(0, namedStale)
  }

  private async announce(name: string, latest: Latest | undefined): Promise<Latest> {
    // A change by hand always happens, or throws.
    const { entry } = latest!
    await this.options.onPromoted?.({ name, entry })
    return latest!
  }

  private async records(name: string): Promise<VersionRecord[]> {
    const versions = await readVersions(this.store, checkModelName(name))
    if (versions.length > 0) return versions
    throw new LayermillError('MODEL_NOT_REGISTERED', `there is no model ${name} in ${this.store.url}`, {
      hint: '`layermill models list` shows those there are',
    })
  }

  private async completeVersion(name: string, version: number): Promise<VersionRecord> {
    const record = await readVersion(this.store, checkModelName(name), version)
    if (record !== undefined && (await isComplete(this.store, name, version))) return record
    const what = record === undefined ? 'there is no' : 'not all files are there of'
    throw new LayermillError('MODEL_NOT_REGISTERED', `${what} ${name}@${version} in ${this.store.url}`, {
      hint: `\`layermill models versions ${name}\` shows those there are`,
    })
  }

  private async promotedVersion(name: string): Promise<Latest> {
    const latest = await readLatest(this.store, checkModelName(name))
    if (latest !== undefined) return latest
    throw new LayermillError('MODEL_NOT_REGISTERED', `${this.store.url} has no ${name} with a promoted version`, {
      hint: '`layermill models list` shows those there are',
    })
  }
}

function checkFrom(name: string, now: Latest | undefined, { from }: ManualChange): void {
  if (from === undefined || now?.version === from) return
  throw new LayermillError('REGISTRY_CONFLICT', `the latest version of ${name} is ${now?.version ?? 'none'} by now, not ${from}`)
}

async function firstKey(store: Store, after: string | undefined): Promise<string | undefined> {
  for await (const { key } of store.list('models/', after === undefined ? {} : { after })) return key
  return undefined
}
