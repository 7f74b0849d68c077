import { LayermillError } from '@layermill/core'
import type { FeatureFormat } from '@layermill/contracts'
import type { Store } from '../store.js'
import { readNpy } from './npy.js'
import { readParquetFeatures } from './parquet.js'
import { readSafetensors } from './safetensors.js'
import type { FeatureRows, RangeSource, RowRange } from './types.js'

/**
 * Rows of one layer from a feature file of any format, in memory or read in ranges. For npy, which holds one layer, `layer` is only the
 * name given back. float32 values may be a view of the bytes.
 *
 * @throws LayermillError `FEATURES_INVALID`, `LAYER_MISSING`, and what the source throws
 */
export async function readFeatureRows(
  format: FeatureFormat,
  input: Uint8Array | RangeSource,
  layer: string,
  rows?: RowRange,
): Promise<FeatureRows> {
  if (format === 'npy') return readNpy(input, layer, rows)
  return format === 'parquet' ? readParquetFeatures(input, layer, rows) : readSafetensors(input, layer, rows)
}

/**
 * A file of a store as a RangeSource.
 *
 * @throws LayermillError `FILE_MISSING` where there is none, now or when it is read
 */
export async function openRanges(store: Store, path: string): Promise<RangeSource> {
  const missing = (): LayermillError => new LayermillError('FILE_MISSING', `${store.url}: no ${path}`)
  const entry = await store.stat(path)
  if (entry === undefined) throw missing()
  return {
    bytes: entry.bytes,
    range: async (start, end, room) => {
      const bytes = await store.getRange(path, start, end, room)
      if (bytes === undefined) throw missing()
      return bytes
    },
  }
}

/** Bytes that the headers of feature files of one layer fit. */
const headBytes = 4096

/** A source whose first bytes, where headers are, are read once: for rows that are read one by one. */
export async function withHead(source: RangeSource): Promise<RangeSource> {
  const head = await source.range(0, Math.min(source.bytes, headBytes))
  return {
    bytes: source.bytes,
    range: async (start, end) => (end <= head.byteLength ? head.subarray(start, end) : source.range(start, end)),
  }
}
