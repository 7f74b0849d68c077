import type { ExtractSpec, LayerResult, PredictSpec, RunRecord, UpdateFound } from '@layermill/contracts'
import type { Network } from '@layermill/models'
import type { ImageSource, SourceItem, Store } from '@layermill/storage'
import { layersToFit, reduceSampleOf, samplePasses, sampleRowBytes, scratchBytes } from '@layermill/inference'
import type { RunEnvironment } from './environment.js'
import { decideAction, type RunAction } from './decide.js'
import { newRecord, withFitsOf } from './open-run.js'
import { readRunRecord } from './record-store.js'
import { failedItems, imagesToUpdate } from './update-plan.js'

/** Images to try out for the time: this many batches, and as many images where it is still to be found how many a batch has. */
const probeBatches = 3
const probeImages = 24

export interface PlanReport {
  readonly model: string
  /** `create` where nothing is at the destination; what the run would do to the one that is there. */
  readonly action: RunAction
  /** Images that the run that is there has already, with their results; left out where there is none. */
  readonly existing?: { readonly images: number; readonly done: number } | undefined
  /** Images that an update would find; only of one. */
  readonly found?: UpdateFound | undefined
  /** Images to read and compute: of an update or a retry those alone, else all. */
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

/** Images of a plan, one after the other; what an update has found is returned behind the last one. */
async function* itemsOf(
  action: RunAction,
  source: ImageSource,
  store: Store | undefined,
): AsyncGenerator<SourceItem, UpdateFound | undefined> {
  if (action === 'update' && store !== undefined) return yield* imagesToUpdate(store, source)
  if (action === 'retry' && store !== undefined) yield* await failedItems(store, source)
  else if (action !== 'complete') yield* source.items()
  return undefined
}

/** The run at the destination, and what becomes of it. */
async function existingRun(made: RunRecord, store: Store | undefined): Promise<Pick<PlanReport, 'action' | 'existing'>> {
  const existing = store && (await readRunRecord(store))
  if (existing === undefined || store === undefined) return { action: 'create' }
  const action = decideAction(existing, { spec: made.spec as ExtractSpec, identity: withFitsOf(made, existing).identity }, store.url)
  const { images, done } = existing.counts
  return { action, ...(action === 'replace' ? {} : { existing: { images, done } }) }
}

/**
 * Reports a run's input, work, output and needs without doing it: lists the whole dataset and computes a few batches for the time.
 * @param store where features go, for the space that is free there
 * @param signal ends the listing
 * @throws LayermillError as `openRun` does; `SOURCE_...`; the signal's reason
 */
export async function planReport(
  spec: ExtractSpec | PredictSpec,
  store: Store | undefined,
  environment: RunEnvironment,
  signal?: AbortSignal,
): Promise<PlanReport> {
  const { record, network } = await newRecord(spec, environment)
  await using source = await environment.openSource(spec.source, spec)
  const wanted = record.batchSize === 'auto' ? probeImages : record.batchSize * probeBatches
  const sample: SourceItem[] = []
  let images = 0
  let sourceBytes = 0
  const there = await existingRun(record, store)
  const items = itemsOf(there.action, source, store)
  let next = await items.next()
  for (; next.done !== true; next = await items.next()) {
    signal?.throwIfAborted()
    images++
    sourceBytes += next.value.bytes
    if (sample.length < wanted) sample.push(next.value)
  }
  const found = next.value
  const reduction = await planReduction(record, network, images)
  const probed = sample.length === 0 ? undefined : await environment.probe?.(record, source, sample)
  const layers = record.layers.map(layer => ({ ...layer, bytes: layer.bytesPerImage * images }))
  return {
    model: network.id,
    ...there,
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
  if (layers.length === 0 || (record.spec.kind === 'extract' && record.spec.reduction !== undefined)) return undefined
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
