import type { ExtractSpec, LayerResult, PredictSpec, RunRecord } from '@layermill/contracts'
import type { Network } from '@layermill/models'
import type { SourceItem, Store } from '@layermill/storage'
import { layersToFit, reduceSampleOf, samplePasses, sampleRowBytes, scratchBytes } from '@layermill/inference'
import type { RunEnvironment } from './environment.js'
import { newRecord } from './open-run.js'

/** Images to try out for the time: this many batches, and as many images where it is still to be found how many a batch has. */
const probeBatches = 3
const probeImages = 24

export interface PlanReport {
  readonly model: string
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
  for await (const item of source.items()) {
    signal?.throwIfAborted()
    images++
    sourceBytes += item.bytes
    if (sample.length < wanted) sample.push(item)
  }
  const reduction = await planReduction(record, network, images)
  const probed = await environment.probe?.(record, source, sample)
  const layers = record.layers.map(layer => ({ ...layer, bytes: layer.bytesPerImage * images }))
  return {
    model: network.id,
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
