import type { FeatureFormat, RunRecord } from '@layermill/contracts'
import { freeArrays } from '@layermill/core'
import { createPartWriter, type FeatureDtype, type ManifestRow, type PartWriter } from '@layermill/storage'
import type { CopiedParts } from './copied-parts.js'
import type { OutputFile, ResultRows } from './part-output.js'

/** Bytes of a file whose memory is worth giving back. */
const leastFreed = 2 ** 16

/** Rows of activations of a run's layers, in files of its format. */
export class FeatureRowsOutput implements ResultRows {
  private readonly writer: PartWriter
  private readonly layers: readonly string[]
  private readonly kept: ManifestRow[] = []
  private written: OutputFile[] = []

  constructor(record: RunRecord, part: number, rows: readonly ManifestRow[]) {
    this.layers = record.layers.map(({ name }) => name)
    this.writer = createPartWriter({
      format: record.identity.format as FeatureFormat,
      dtype: record.identity.dtype as FeatureDtype,
      part,
      layers: record.layers.map(({ name, shape }) => ({ layer: name, rowShape: shape })),
      keys: rows.map(({ key }) => key),
      ...(rows.some(({ label }) => label !== undefined) ? { labels: rows.map(({ label }) => label) } : {}),
    })
  }

  add(row: ManifestRow, values: ReadonlyMap<string, Float32Array>): void {
    for (const layer of this.layers) this.writer.setRow(layer, this.kept.length, values.get(layer)!)
    this.kept.push(row)
  }

  async copy(row: ManifestRow, from: NonNullable<ManifestRow['from']>, parts: CopiedParts): Promise<void> {
    for (const layer of this.layers) this.writer.setRow(layer, this.kept.length, await parts.values(from, layer))
    this.kept.push(row)
  }

  async files(): Promise<OutputFile[]> {
    this.written = this.writer.finish(
      this.kept.map(({ key }) => key),
      this.kept.map(({ label }) => label),
    )
    return this.written
  }

  release(): void {
    // Small ones may lie in a buffer that they share.
    freeArrays(this.written.map(({ bytes }) => bytes).filter(bytes => bytes.byteLength >= leastFreed))
  }
}
