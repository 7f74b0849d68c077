import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { columnMeans, fitPca, type MatrixProduct, type RowSource } from '@layermill/analysis'
import { parseRule, type RunRecord } from '@layermill/contracts'
import { elementCount, LayermillError } from '@layermill/core'
import { openProduct } from '@layermill/engines'
import type { ImageSource, SourceItem } from '@layermill/storage'
import { sampleImages } from '../calibrate/sample.js'
import type { ModelProvider } from '../model-provider.js'
import { computeRows } from '../part/compute-rows.js'
import { type PoolKind, poolRow } from '../part/pool.js'
import { prepareRows, rowPreparation } from '../part/prepare-rows.js'
import { encodeFit, fitsHash } from './fit-file.js'
import { layersToFit, sampleRowBytes, samplePasses, scratchBytes } from './passes.js'
import { ProjectionFile } from './projection-file.js'
import { mapOf } from './reducer.js'

/** Images whose activations a reduction is fitted to, unless the spec says another number. */
export const defaultReduceSample = 4096
/** Images of the sample of a run. */
export const reduceSampleOf = ({ spec }: RunRecord): number =>
  (spec.kind === 'extract' ? spec.reduceSample : undefined) ?? defaultReduceSample

/** Images at once. */
const batchSize = 8
/** Most bytes of a layer's components. */
const mostBytes = 2 ** 30

export interface FitOptions {
  readonly record: RunRecord
  readonly provider: ModelProvider
  readonly source: ImageSource
  readonly readAhead: number
  readonly signal?: AbortSignal | undefined
  readonly note: (text: string) => void
}

/** Fits of a run's layers, as files, and how many numbers are left of each. */
export interface FittedReductions {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly sha256: string
  readonly components: ReadonlyMap<string, number>
}

/** Rows of float32 in a temporary file, so that a sample of large activations does not fill the memory. */
class RowFile {
  rows = 0
  private columns = 0

  private constructor(private readonly file: FileHandle) {}

  static async create(folder: string, name: string): Promise<RowFile> {
    return new RowFile(await open(path.join(folder, name), 'w+'))
  }

  async add(row: Float32Array): Promise<void> {
    this.columns = row.length
    const bytes = new Uint8Array(row.buffer, row.byteOffset, row.byteLength)
    for (let at = 0; at < bytes.length;) {
      at += (await this.file.write(bytes, at, bytes.length - at, this.rows * row.byteLength + at)).bytesWritten
    }
    this.rows++
  }

  source(): RowSource {
    const { columns } = this
    return {
      rows: this.rows,
      columns,
      read: async (start, end) => {
        const values = new Float32Array((end - start) * columns)
        const bytes = new Uint8Array(values.buffer)
        for (let at = 0; at < bytes.length;) {
          const { bytesRead } = await this.file.read(bytes, at, bytes.length - at, start * columns * 4 + at)
          if (bytesRead === 0) throw new LayermillError('UNEXPECTED', 'a temporary file is shorter than it was written')
          at += bytesRead
        }
        return Float64Array.from(values)
      },
    }
  }

  async close(): Promise<void> {
    await this.file.close()
  }
}

function refuseLarge(record: RunRecord, shapes: ReadonlyMap<string, number>): void {
  for (const [layer, columns] of shapes) {
    const { kind, components } = parseRule(record.identity.reduction![layer]!)
    if (kind === 'pca' && columns * Math.min(components, columns) * 8 > mostBytes) {
      throw new LayermillError(
        'SPEC_INVALID',
        `--reduce: ${components} components of ${layer}, ${columns} numbers each, are more than a gigabyte`,
        { hint: 'ask for fewer components, add --pool avg, or take srp:COMPONENTS' },
      )
    }
  }
}

/** Computes the sample and writes its rows, mapped as far as that needs no sample. */
async function spill(
  options: FitOptions,
  chosen: readonly SourceItem[],
  layers: readonly string[],
  files: ReadonlyMap<string, RowFile>,
): Promise<string[]> {
  const { record, provider, source, readAhead, signal } = options
  const { model, weights } = record.spec
  const { network } = await provider.outline(model, weights)
  const { size } = record.identity.preparation
  const session = await provider.session(model, weights, layers, size === 'keep' ? undefined : [size.height, size.width])
  using matrices = new ProjectionFile()
  const maps = new Map(layers.map(layer => [layer, mapOf(parseRule(record.identity.reduction![layer]!), layer, matrices.keep)]))
  const keys: string[] = []
  try {
    const preparation = rowPreparation(record, network)
    const prepared = prepareRows(chosen, { source, ...preparation, concurrency: readAhead })
    for await (const row of computeRows(prepared, { extractor: session.value, batchSize, fits: preparation.fits, release: true })) {
      signal?.throwIfAborted()
      if (row.kind !== 'computed') continue
      keys.push(row.image.row.key)
      for (const [layer, { data, shape }] of row.layers) {
        const pooled = poolRow(data, shape, record.identity.pool as PoolKind)
        if (keys.length === 1) refuseLarge(record, new Map([[layer, pooled.length]]))
        await files
          .get(layer)
          ?.add(Float32Array.from(maps.get(layer)!(pooled, pooled.length === elementCount(shape) ? shape : [pooled.length])))
      }
    }
  } finally {
    session.done()
  }
  return keys
}

/** The fit of one layer, from its rows in a temporary file. */
async function fitLayer(
  options: FitOptions,
  layer: string,
  rows: RowFile,
  sample: readonly string[],
  product: MatrixProduct,
): Promise<{ file: Uint8Array; components?: number }> {
  const rule = options.record.identity.reduction![layer]!
  const parsed = parseRule(rule)
  const source = rows.source()
  const none = new Float64Array()
  if (parsed.kind !== 'pca') {
    const mean = await columnMeans(source)
    return { file: encodeFit({ rule, mean, components: none, explainedVariance: none, totalVariance: 0, sample }) }
  }
  const fit = await fitPca(source, {
    product,
    components: parsed.components,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  const kept = fit.components.rows
  if (kept < parsed.components) options.note(`reduction: ${layer} has ${kept} components with variance in ${fit.sample} images`)
  const share = fit.explainedVariance.reduce((sum, value) => sum + value, 0) / (fit.totalVariance || 1)
  options.note(`reduction: ${kept} components of ${layer} explain ${(100 * share).toFixed(1)}% of the variance of ${fit.sample} images`)
  const { mean, explainedVariance, totalVariance } = fit
  return { file: encodeFit({ rule, mean, components: fit.components.data, explainedVariance, totalVariance, sample }), components: kept }
}

/**
 * Fits the reductions of a run to a sample of its images, chosen by the hashes of their keys: components and means are in float64, and the
 * same on CPUs of one kind. Layers whose rows of the sample do not fit on the disk together are fitted in passes.
 *
 * @throws LayermillError `SPEC_INVALID` where a layer is too large, `ROW_INVALID` where fewer than two images can be used
 */
export async function fitReductions(options: FitOptions): Promise<FittedReductions> {
  const { record, provider, note } = options
  const { network } = await provider.outline(record.spec.model, record.spec.weights)
  const { chosen } = await sampleImages(options.source.items(), reduceSampleOf(record))
  const passes = samplePasses(layersToFit(record), sampleRowBytes(record, network), chosen.length, await scratchBytes())
  const fast = await openProduct()
  const files = new Map<string, Uint8Array>()
  const components = new Map<string, number>()
  try {
    for (const [pass, layers] of passes.entries()) {
      const which = passes.length === 1 ? '' : `, pass ${pass + 1} of ${passes.length}: ${layers.join(', ')}`
      note(`reduction: computing a sample of ${chosen.length} images${which}`)
      const folder = await mkdtemp(path.join(tmpdir(), 'layermill-reduction-'))
      const rows = new Map<string, RowFile>()
      try {
        for (const [i, layer] of layers.entries()) rows.set(layer, await RowFile.create(folder, `${i}.f32`))
        const sample = await spill(options, chosen, layers, rows)
        for (const layer of layers) {
          const fitted = await fitLayer(options, layer, rows.get(layer)!, sample, fast.product)
          files.set(layer, fitted.file)
          if (fitted.components !== undefined) components.set(layer, fitted.components)
        }
      } finally {
        for (const file of rows.values()) await file.close()
        await rm(folder, { recursive: true, force: true })
      }
    }
  } finally {
    await fast.close()
  }
  return { files, sha256: fitsHash(files), components }
}
