import { ExtractSpec, type FinetuneSpec, partOfPath, type RunRecord } from '@layermill/contracts'
import { encodeManifest, type ErrorRow, type ManifestRow, parseErrors, readManifest, type Store } from '@layermill/storage'
import { manifestParts, writeManifest } from '../run/manifest-plan.js'
import type { RunArguments } from '../run/execute.js'
import { openFenced } from '../run/open-fenced.js'
import { newRecord } from '../run/open-run.js'
import { deleteRun, readRunRecord, writeRunRecord } from '../run/record-store.js'
import { superviseRun } from '../run/inference-steps.js'
import type { TrainingEnvironment, TrainingProgress } from './environment.js'

export interface FeatureRun {
  /** Below `features-run/`. */
  readonly name: string
  readonly source: string
  readonly rows: readonly ManifestRow[]
  readonly layer: string
  /** Whether a run of other images, or other versions of them, is no use: left out, whatever is there was made of a fixed dataset. */
  readonly exact?: boolean
  /** Which augmented copy, where it is one. */
  readonly copy?: number
  readonly maxErrors: FinetuneSpec['maxErrors']
}

export interface FeatureRunOptions extends Pick<RunArguments, 'store' | 'signal' | 'fence' | 'keepsParts'> {
  readonly record: RunRecord
  readonly environment: TrainingEnvironment
  readonly onProgress: (progress: TrainingProgress) => void
}

export function featureStoreUrl(store: Store, name: string): string {
  return `${store.url.replace(/\/$/, '')}/features-run/${name}`
}

/** From this many images on, the search for the fastest batch takes less than it gives: some seconds, for some hundredths of the time. */
const searchedFrom = 4096
/** Images at once of a run that does not search. */
const fewAtOnce = 8
/** Pixels of an input up to which so many take little memory, whatever the network. */
const smallInput = 320 * 320

/** Images that a run of features computes at once; their values are the same with any number. */
export function featureBatchSize(
  images: number,
  { microBatch }: Pick<FinetuneSpec, 'microBatch'>,
  size: { width: number; height: number } | 'keep',
): number | 'auto' {
  if (images >= searchedFrom || size === 'keep' || size.width * size.height > smallInput) return 'auto'
  return Math.min(fewAtOnce, microBatch)
}

function extractSpec(record: RunRecord, { source, layer, maxErrors, rows }: FeatureRun, out: string): ExtractSpec {
  const spec = record.spec as FinetuneSpec
  const {
    model,
    weights,
    size,
    resample,
    prepare,
    requireCpu,
    autoOrient,
    device,
    engine,
    cache,
    cacheSize,
    requestPayer,
    noSignRequest,
    maxBytes,
    imageTimeout,
  } = spec
  return ExtractSpec.parse({
    kind: 'extract',
    source,
    model,
    weights,
    size,
    resample,
    prepare,
    requireCpu,
    autoOrient,
    device,
    engine,
    cache,
    cacheSize,
    requestPayer,
    noSignRequest,
    maxBytes,
    imageTimeout,
    layers: [layer],
    batchSize: featureBatchSize(rows.length, spec, record.identity.preparation.size),
    maxErrors,
    out,
  })
}

/** The run's record and manifest, as its first term wrote them. */
async function openFeatureRun(run: FeatureRun, store: Store, { record, environment }: FeatureRunOptions): Promise<RunRecord> {
  const existing = await readRunRecord(store)
  const spec = record.spec as FinetuneSpec
  if (existing !== undefined && !(run.exact === true && (await hasOtherRows(store, run.rows)))) return goingOn(existing, run)
  if (existing !== undefined) await deleteRun(store)
  const { record: fresh } = await newRecord(extractSpec(record, run, store.url), environment.runs)
  for (let part = 0; part * fresh.partSize < run.rows.length; part++) {
    await writeManifest(store, part, run.rows.slice(part * fresh.partSize, (part + 1) * fresh.partSize))
  }
  const { preparation } = fresh.identity
  const augment = run.copy === undefined ? {} : { augment: { names: [...spec.augment], seed: spec.seed, copy: run.copy } }
  const made: RunRecord = { ...fresh, planned: true, identity: { ...fresh.identity, preparation: { ...preparation, ...augment } } }
  // Last: a run exists when its record does.
  await writeRunRecord(store, made)
  return made
}

async function hasOtherRows(store: Store, rows: readonly ManifestRow[]): Promise<boolean> {
  const found: ManifestRow[] = []
  for (const part of await manifestParts(store)) found.push(...(await readManifest(store, part)))
  return encodeManifest(found) !== encodeManifest(rows)
}

/** A run that failed goes on where it was: what it failed of may be gone, or allowed by now. */
function goingOn(existing: RunRecord, { maxErrors }: FeatureRun): RunRecord {
  if (existing.state !== 'failed') return existing
  const { error: _error, ...rest } = existing
  return { ...rest, spec: { ...rest.spec, maxErrors }, state: 'running', generation: existing.generation + 1 }
}

async function readAllErrors(store: Store): Promise<ErrorRow[]> {
  const errors: ErrorRow[] = []
  for await (const { key } of store.list('errors/')) {
    if (partOfPath(key) !== undefined) errors.push(...parseErrors((await store.get(key))!, `${store.url}/${key}`))
  }
  return errors
}

/** Errors of the images that a run of that name has left out so far. */
export async function featureErrors(
  name: string,
  { environment, store: whole, fence }: Pick<FeatureRunOptions, 'environment' | 'store' | 'fence'>,
): Promise<ErrorRow[]> {
  await using store = await openFenced(featureStoreUrl(whole, name), environment.runs, fence)
  return await readAllErrors(store)
}

/** Computes a layer of images by an extraction run; goes on with one that was stopped. */
export async function runFeatures(
  run: FeatureRun,
  options: FeatureRunOptions,
): Promise<{ store: Store; shape: readonly number[]; errors: ErrorRow[] }> {
  const { environment, signal, keepsParts, fence, onProgress } = options
  const store = await openFenced(featureStoreUrl(options.store, run.name), environment.runs, fence)
  const record = await openFeatureRun(run, store, options)
  const finished = await superviseRun(record, {
    environment: environment.runs,
    store,
    signal,
    keepsParts,
    onProgress: ({ done, failed, total, waiting }) =>
      onProgress({ phase: 'features', done, failed, total, ...(waiting === undefined ? {} : { waiting }) }),
  })
  return { store, shape: finished.layers[0]!.shape, errors: await readAllErrors(store) }
}
