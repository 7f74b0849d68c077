import { type Evaluation, parseVersionUrl, type Registered, type RunRecord, type VersionRecord } from '@layermill/contracts'
import type { Store } from '@layermill/storage'
import { readHistory, readLatest } from './head.js'
import { readEvaluation, readVersions } from './versions.js'

/** Notes on a run from registries. */
export interface RunNotes {
  /** Outcome for the model that the run registered. */
  readonly registered?: Registered & { readonly name: string }
  /** The run's features are of another version of a registered model than is the latest now. */
  readonly stale?: { readonly name: string; readonly version: number; readonly latest: number }
}

type OpenStore = (url: string) => Promise<Store>

async function withStore<Result>(openStore: OpenStore, url: string, action: (store: Store) => Promise<Result>): Promise<Result> {
  await using store = await openStore(url)
  return await action(store)
}

/** Outcome for a first version that is refused: the history begins with one that is the latest. */
export const refusedFirst = ({ version, by, run }: VersionRecord, { time, reason }: Pick<Evaluation, 'time' | 'reason'>): Registered => ({
  event: 'kept',
  version,
  time,
  by,
  reason,
  run,
})

async function registeredOf(store: Store, name: string, id: string): Promise<Registered | undefined> {
  const entry = (await readHistory(store, name)).find(({ run }) => run === id)
  if (entry !== undefined || (await readLatest(store, name)) !== undefined) return entry
  const version = (await readVersions(store, name)).find(({ run }) => run === id)
  const evaluation = version && (await readEvaluation(store, name, version.version))
  return evaluation === undefined || evaluation.promoted ? undefined : refusedFirst(version!, evaluation)
}

/** Asks the registries that a finished run has to do with. A registry that cannot be asked is no reason not to show the run. */
export async function runNotes({ id, spec, state }: Pick<RunRecord, 'id' | 'spec' | 'state'>, openStore: OpenStore): Promise<RunNotes> {
  if (state !== 'done') return {}
  try {
    const { name, root } = (spec.kind === 'finetune' ? spec.register : undefined) ?? {}
    if (name !== undefined && root !== undefined) {
      const entry = await withStore(openStore, root, store => registeredOf(store, name, id))
      return entry === undefined ? {} : { registered: { name, ...entry } }
    }
    const made = spec.kind === 'extract' ? parseVersionUrl(spec.model) : undefined
    const latest = made && (await withStore(openStore, made.root, store => readLatest(store, made.name)))
    if (made === undefined || latest === undefined || latest.version === made.version) return {}
    return { stale: { name: made.name, version: made.version, latest: latest.version } }
  } catch {
    return {}
  }
}
