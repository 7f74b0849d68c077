import { Evaluation, parseRecord, serializeJsonRecord, VersionRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { modelFile } from '@layermill/weights'
import { requireExactSwaps, type Store } from '@layermill/storage'

export const versionPrefix = (name: string, version: number): string => `models/${name}/versions/${version}/`
const recordPath = (name: string, version: number): string => `${versionPrefix(name, version)}version.json`
const evaluationPath = (name: string, version: number): string => `${versionPrefix(name, version)}evaluation.json`

/** For errors of places. */
export const registryKind = 'a registry of models'

/** The record of a version, or undefined. */
export async function readVersion(store: Store, name: string, version: number): Promise<VersionRecord | undefined> {
  const path = recordPath(name, version)
  const bytes = await store.get(path)
  return bytes === undefined ? undefined : parseRecord(VersionRecord, bytes, `${store.url}/${path}`)
}

export async function readEvaluation(store: Store, name: string, version: number): Promise<Evaluation | undefined> {
  const path = evaluationPath(name, version)
  const bytes = await store.get(path)
  return bytes === undefined ? undefined : parseRecord(Evaluation, bytes, `${store.url}/${path}`)
}

export async function writeEvaluation(store: Store, name: string, evaluation: Evaluation): Promise<void> {
  await store.put(evaluationPath(name, evaluation.version), serializeJsonRecord(evaluation), { contentType: 'application/json' })
}

/** All versions of a model, by number. Numbers are given without gaps. */
export async function readVersions(store: Store, name: string): Promise<VersionRecord[]> {
  const found: VersionRecord[] = []
  for (let version = 1; ; version++) {
    const record = await readVersion(store, name, version)
    if (record === undefined) return found
    found.push(record)
  }
}

/** Whether all files of a version are there: the model's own description is written last. */
export async function isComplete(store: Store, name: string, version: number): Promise<boolean> {
  return (await store.stat(`${versionPrefix(name, version)}${modelFile}`)) !== undefined
}

/**
 * The version of a run: the one that it has, or the next free number. Two runs at the same moment get two numbers, and one run gets the
 * same one however often it asks.
 * @throws LayermillError `REGISTRY_CONFLICT` where the run registered another model before
 */
export async function allocateVersion(store: Store, draft: Omit<VersionRecord, 'format' | 'version'>): Promise<VersionRecord> {
  await requireExactSwaps(store, registryKind)
  // The first free number is looked for from below, one by one, so that no number of this run's own is passed by.
  for (let version = 1; ;) {
    const found = await readVersion(store, draft.name, version)
    if (found?.run === draft.run) return sameModel(found, draft)
    if (found !== undefined) version++
    else {
      const record: VersionRecord = { format: 'layermill-model-version', version, ...draft }
      if (
        await store.put(recordPath(draft.name, version), serializeJsonRecord(record), { ifAbsent: true, contentType: 'application/json' })
      )
        return record
    }
  }
}

function sameModel(found: VersionRecord, { run, sha256, name }: Pick<VersionRecord, 'run' | 'sha256' | 'name'>): VersionRecord {
  if (found.sha256 === sha256) return found
  throw new LayermillError(
    'REGISTRY_CONFLICT',
    `${name}@${found.version} is of run ${run} with weights ${found.sha256}, which are now ${sha256}`,
    {
      hint: 'train again with --overwrite: that is another run, and gets another version',
    },
  )
}
