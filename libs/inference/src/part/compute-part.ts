import type { ComputedBy, PartResult, RunRecord } from '@layermill/contracts'
import { type ImageSource, type ManifestRow, readManifest, type Store } from '@layermill/storage'
import type { RunCache } from '../cache/run-cache.js'
import type { ModelOutline } from '../model-provider.js'
import { type BatchRunner, type ComputedImage, computeRows, type FinishedRow } from './compute-rows.js'
import { FeatureRowsOutput } from './feature-rows.js'
import { PartOutput, type ResultRows } from './part-output.js'
import { type AmongWorkers, PartDoubts } from './doubts.js'
import { draftAgreement } from './draft-agreement.js'
import type { PhaseClock } from './phase-clock.js'
import { type PoolKind, poolRow } from './pool.js'
import { PredictionRowsOutput } from './prediction-rows.js'
import { prepareRows, rowPreparation } from './prepare-rows.js'
import type { Reducers } from '../reduce/reducer.js'
import { checkRange, overflowRule } from './value-range.js'

/** Called with the images finished so far, of the part's `total`. */
export type ReportProgress = (progress: PartResult & { readonly total: number }) => void

export interface PartInput {
  readonly record: RunRecord
  readonly store: Store
  readonly source: ImageSource
  readonly part: number
  readonly loaded: ModelOutline
  readonly extractor: BatchRunner
  /** Of layers that are reduced. */
  readonly reducers: Reducers
  /** Images computed at once; asked for when the first has to be computed. */
  readonly batchSize: () => Promise<number>
  /** Images read and decoded at once. */
  readonly readAhead: number
  /** Cache that may hold results already, and keeps new ones. */
  readonly cache: RunCache | undefined
  /** Called after each image with the counts so far. */
  readonly report: ReportProgress
  /** This worker, and how to learn of others. Given where there may be others. */
  readonly among?: AmongWorkers | undefined
  /** This worker's engine and kind of CPU, for the part's record. */
  readonly computedBy?: ComputedBy | undefined
  /** Told when images are in which phase. */
  readonly clock: PhaseClock
  readonly signal: AbortSignal
}

function resultRows({ record, part, loaded }: PartInput, rows: readonly ManifestRow[]): ResultRows {
  return record.spec.kind === 'predict'
    ? new PredictionRowsOutput(record, part, { target: loaded.target, labels: record.spec.labels ?? loaded.labels })
    : new FeatureRowsOutput(record, part, rows)
}

/** An image's results as they are written, with those that were there already. */
function finishedRow({ image, layers }: ComputedImage<ManifestRow>, pool: PoolKind, reducers: Reducers): FinishedRow<ManifestRow> {
  const { row, width, height, sha256, known } = image
  const values = new Map(known)
  for (const [layer, { data, shape }] of layers) {
    if (values.has(layer)) continue
    const pooled = poolRow(data, shape, pool)
    values.set(layer, reducers.get(layer)?.(pooled, pooled.length === data.length ? shape : [pooled.length]) ?? pooled)
  }
  return { kind: 'finished', row, width, height, sha256, values }
}

/** A row that outlives its batch. */
function ownCopy<Row>(row: ComputedImage<Row>): ComputedImage<Row> {
  return { ...row, layers: new Map([...row.layers].map(([layer, { shape, data }]) => [layer, { shape, data: data.slice() }])) }
}

/**
 * Computes one part: reads and prepares its images, runs them in batches, writes its files and its commit record.
 * @throws what the source, the engine or the store throw; `LeftToOthers`; the signal's reason when aborted. Nothing is committed then.
 */
export async function computePart(input: PartInput): Promise<PartResult> {
  const { record, store, source, batchSize, readAhead, cache, report, clock, signal } = input
  const [rows] = await Promise.all([readManifest(store, input.part), cache?.refresh()])
  report({ images: 0, failed: 0, total: rows.length })
  const output = new PartOutput(store, record, input.part, resultRows(input, rows), {
    worker: input.among?.worker,
    computedBy: input.computedBy,
    oneByOne: async () => input.extractor.oneByOne?.(),
  })
  const doubts = new PartDoubts({ run: record.id, part: input.part, store, source, rows, readAhead, among: input.among })
  const keep = cache?.writer()
  const rule = overflowRule(record.spec)
  let cached = 0
  let drafted: ComputedImage<ManifestRow> | undefined
  const result = (found: PartResult): PartResult => (cache === undefined ? found : { ...found, cached })
  const preparation = rowPreparation(record, input.loaded.network)
  const extractor: BatchRunner = { run: (images, layers) => clock.during('compute', () => input.extractor.run(images, layers)) }
  const prepared = prepareRows(rows, { source, ...preparation, concurrency: readAhead, cache, clock })
  const release = cache === undefined
  for await (const row of computeRows(prepared, { extractor, batchSize, fits: preparation.fits, release })) {
    signal.throwIfAborted()
    if (row.kind === 'computed' && record.identity.preparation.decode === 'draft') drafted ??= ownCopy(row)
    if (row.kind === 'failed') await doubts.look(row.row, row.code)
    await clock.during('write', async () => {
      const known = row.kind === 'computed' ? finishedRow(row, record.identity.pool as PoolKind, input.reducers) : row
      const finished = known.kind === 'finished' ? checkRange(known, record.identity.dtype, rule) : known
      await output.add(finished)
      if (row.kind === 'computed' && finished.kind === 'finished') await keep?.add(finished, row.layers.keys())
    })
    if (row.kind === 'finished') cached++
    report({ ...result(output.result), total: rows.length })
  }
  const { network } = input.loaded
  const draft = drafted && (await draftAgreement(drafted, { record, source, network, extractor }))
  return clock.during('write', async () => {
    const committed = await output.commit()
    await keep?.finish()
    return { ...result(committed), ...(draft === undefined ? {} : { draft }) }
  })
}
