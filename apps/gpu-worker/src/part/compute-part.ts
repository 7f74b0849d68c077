import type { Extractor } from '@layermill/engines'
import type { RunRecord } from '@layermill/jobs'
import { type ImageSource, type ManifestRow, readManifest, type Store } from '@layermill/storage'
import type { LoadedModel } from '../model-provider.js'
import { computeRows } from './compute-rows.js'
import { FeatureRowsOutput } from './feature-rows.js'
import { PartOutput, type PartResult, type ResultRows } from './part-output.js'
import { PredictionRowsOutput } from './prediction-rows.js'
import { preparerOf, prepareRows } from './prepare-rows.js'

export type { PartResult } from './part-output.js'

/** Called with the images finished so far, of the part's `total`. */
export type ReportProgress = (progress: PartResult & { readonly total: number }) => void

export interface PartInput {
  readonly record: RunRecord
  readonly store: Store
  readonly source: ImageSource
  readonly part: number
  readonly loaded: LoadedModel
  readonly extractor: Extractor
  /** Images computed at once. */
  readonly batchSize: number
  /** Images read and decoded at once. */
  readonly readAhead: number
  /** Called after each image with the counts so far. */
  readonly report: ReportProgress
  readonly signal: AbortSignal
}

function resultRows({ record, part, loaded }: PartInput, rows: readonly ManifestRow[]): ResultRows {
  return record.spec.kind === 'predict' ? new PredictionRowsOutput(record, part, loaded.labels) : new FeatureRowsOutput(record, part, rows)
}

/**
 * Computes one part: reads and prepares its images, runs them in batches, writes its files and its commit record.
 * @throws what the source, the engine or the store throw; the signal's reason when aborted. Nothing is committed then.
 */
export async function computePart(input: PartInput): Promise<PartResult> {
  const { record, store, source, extractor, batchSize, readAhead, report, signal } = input
  const rows = await readManifest(store, input.part)
  report({ images: 0, failed: 0, total: rows.length })
  const output = new PartOutput(store, record, input.part, resultRows(input, rows))
  const prepared = prepareRows(rows, { source, prepare: preparerOf(record, input.loaded.network), concurrency: readAhead })
  for await (const row of computeRows(prepared, { extractor, batchSize })) {
    signal.throwIfAborted()
    await output.add(row)
    report({ ...output.result, total: rows.length })
  }
  return output.commit()
}
