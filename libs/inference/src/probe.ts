import type { RunRecord } from '@layermill/contracts'
import type { ImageSource, ManifestRow } from '@layermill/storage'
import { findBatchSize } from './batch-size/batch-size.js'
import { calibrateRanges } from './calibrate/calibrate.js'
import type { ModelProvider, SessionPrecision } from './model-provider.js'
import { computeRows } from './part/compute-rows.js'
import { prepareRows, rowPreparation } from './part/prepare-rows.js'

export interface ProbeOptions {
  readonly record: RunRecord
  readonly provider: ModelProvider
  readonly source: ImageSource
  /** Images to try, a few batches of them. */
  readonly rows: readonly ManifestRow[]
  readonly readAhead: number
}

/** An int8 run is tried out with ranges of the same images. */
async function precisionToTry(options: ProbeOptions): Promise<SessionPrecision | undefined> {
  if (options.record.identity.precision === 'fp16') return 'fp16'
  if (options.record.identity.precision !== 'int8') return undefined
  return {
    sha256: 'probe',
    ranges: await calibrateRanges({ ...options, sample: { chosen: options.rows, others: [], total: options.rows.length } }),
  }
}

/**
 * Seconds an image takes from file to activation, by really computing some: the first batch warms up and does not count, unless there is
 * no other. Finds how many images to compute at once, where the record leaves that open.
 */
export async function probeRun(options: ProbeOptions): Promise<{ secondsPerImage: number; batchSize: number }> {
  const { record, provider, source, rows, readAhead } = options
  const { model, weights } = record.spec
  const { network } = await provider.outline(model, weights)
  const { size } = record.identity.preparation
  const inputSize = size === 'keep' ? undefined : ([size.height, size.width] as const)
  const session = await provider.session(model, weights, record.identity.layers, inputSize, await precisionToTry(options))
  try {
    const found = async (): Promise<number> =>
      findBatchSize({ record, network, engine: await provider.openEngine(), extractor: session.value })
    const batchSize = record.batchSize === 'auto' ? await found() : record.batchSize
    const run = async (part: readonly ManifestRow[]): Promise<number> => {
      const started = performance.now()
      const preparation = rowPreparation(record, network)
      const prepared = prepareRows(part, { source, ...preparation, concurrency: readAhead })
      for await (const row of computeRows(prepared, { extractor: session.value, batchSize, fits: preparation.fits, release: true }))
        void row
      return (performance.now() - started) / 1000 / part.length
    }
    const first = await run(rows.slice(0, batchSize))
    const rest = rows.slice(batchSize)
    return { secondsPerImage: rest.length === 0 ? first : await run(rest), batchSize }
  } finally {
    session.done()
  }
}
