import { type ExtractSpec, type LayerResult, type PredictSpec, type RunRecord, runStoreUrl, type UpdateFound } from '@layermill/contracts'
import type { Network } from '@layermill/models'
import type { SourceItem, Store } from '@layermill/storage'
import { layersToFit, reduceSampleOf, samplePasses, sampleRowBytes, scratchBytes } from '@layermill/inference'
import type { RunEnvironment } from './environment.js'
import { decideAction, type RunAction } from './decide.js'
import { refuseForeignFile } from './foreign-files.js'
import { newRecord, withFitsOf } from './open-run.js'
import { listingOf, plannedImages, type Standing } from './plan-items.js'
import { readRunRecord } from './record-store.js'

/** Images to try out for the time: this many batches, and as many images where it is still to be found how many a batch has. */
const probeBatches = 3
const probeImages = 24

export interface PlanReport {
  readonly model: string
  /** `create` where nothing is at the destination; what the run would do to the one that is there. */
  readonly action: RunAction
  /** Images of the run that is there, and those whose results it has; left out where there is none, or it would be replaced. */
  readonly existing?: Standing | undefined
  /** Images that an update or a retry would find; only of one. */
  readonly found?: UpdateFound | undefined
  /** Images to read and compute: those whose results are not there, or are to be replaced. */
  readonly images: number
  /** Of the image files. */
  readonly sourceBytes: number
  readonly parts: number
  readonly layers: readonly (LayerResult & { readonly bytes: number })[]
  /** Of all feature files. */
  readonly outputBytes: number
  /** Layers that are fitted to a sample, by pass, with the temporary files of the largest pass. */
  readonly reduction?: { readonly sample: number; readonly passes: string[][]; readonly scratchBytes: number } | undefined
  /** Bytes free at the destination of the output, or undefined where the place cannot say. */
  readonly freeBytes: number | undefined
  /** On this machine, by a probe; undefined where it has no engine. */
  readonly seconds: number | undefined
  /** `auto` where this machine has no engine to find it with. */
  readonly batchSize: number | 'auto'
}

/** A run that would be made or gone on with. */
interface Meant {
  readonly record: RunRecord
  readonly network: Network
  readonly action: RunAction
  readonly existing: RunRecord | undefined
}

/** The run that a spec means, as `openRun` would open it. */
async function meantRun(spec: ExtractSpec | PredictSpec, store: Store | undefined, environment: RunEnvironment): Promise<Meant> {
  if (spec.kind === 'predict' && spec.out !== undefined) await refuseForeignFile(spec.out, url => environment.openStore(url))
  const { record: made, network } = await newRecord(spec, environment)
  const existing = store && (await readRunRecord(store))
  const record = withFitsOf(made, existing)
  const action = store === undefined ? 'create' : decideAction(existing, { spec, identity: record.identity }, store.url)
  const isAnew = existing === undefined || action === 'replace' || action === 'renew'
  return isAnew
    ? { record: made, network, action, existing }
    : { record: { ...record, layers: existing.layers }, network, action, existing }
}

/**
 * Reports a run's input, work, output and needs without doing it: lists the whole dataset and computes a few batches for the time.
 * @param signal ends the listing
 * @throws LayermillError as `openRun` does; `SOURCE_...`; the signal's reason
 */
export async function planReport(spec: ExtractSpec | PredictSpec, environment: RunEnvironment, signal?: AbortSignal): Promise<PlanReport> {
  await using store = spec.out === undefined ? undefined : await environment.openStore(runStoreUrl(spec))
  const { record, network, action, existing } = await meantRun(spec, store, environment)
  await using source = await environment.openSource(spec.source, spec)
  const wanted = record.batchSize === 'auto' ? probeImages : record.batchSize * probeBatches
  const sample: SourceItem[] = []
  let images = 0
  let sourceBytes = 0
  const listing = await listingOf(record, url => environment.openStore(url))
  const items = plannedImages(action, existing, store, { source, listing })
  let next = await items.next()
  for (; next.done !== true; next = await items.next()) {
    signal?.throwIfAborted()
    images++
    sourceBytes += next.value.bytes
    if (sample.length < wanted) sample.push(next.value)
  }
  const { standing, found } = next.value
  const reduction = await planReduction(record, network, images)
  const probed = sample.length === 0 ? undefined : await environment.probe?.(record, source, sample)
  const layers = record.layers.map(layer => ({ ...layer, bytes: layer.bytesPerImage * images }))
  return {
    model: network.id,
    action,
    ...(standing === undefined ? {} : { existing: standing }),
    ...(found === undefined ? {} : { found }),
    images,
    sourceBytes,
    parts: Math.ceil(images / record.partSize),
    layers,
    outputBytes: layers.reduce((sum, { bytes }) => sum + bytes, 0),
    ...(reduction === undefined ? {} : { reduction }),
    freeBytes: await store?.freeBytes(),
    seconds: probed && probed.secondsPerImage * images,
    batchSize: probed?.batchSize ?? record.batchSize,
  }
}

async function planReduction(record: RunRecord, network: Network, images: number): Promise<PlanReport['reduction']> {
  const layers = layersToFit(record)
  if (
    layers.length === 0 ||
    record.identity.reductionFit !== undefined ||
    (record.spec.kind === 'extract' && record.spec.reduction !== undefined)
  )
    return undefined
  const sample = Math.min(images, reduceSampleOf(record))
  const rowBytes = sampleRowBytes(record, network)
  const passes = samplePasses(layers, rowBytes, sample, await scratchBytes())
  const bytesOf = (pass: readonly string[]): number => pass.reduce((sum, layer) => sum + (rowBytes.get(layer) ?? 0) * sample, 0)
  return { sample, passes, scratchBytes: Math.max(...passes.map(bytesOf)) }
}

/** Bytes that a run's features take, where they would not fit into what is free; else undefined. */
export async function missingRoom(record: RunRecord, images: number, store: Store): Promise<{ needed: number; free: number } | undefined> {
  const needed = record.layers.reduce((sum, { bytesPerImage }) => sum + bytesPerImage, 0) * images
  const free = await store.freeBytes()
  return free !== undefined && needed > free ? { needed, free } : undefined
}
