import {
  LayermillError,
  mostSafetensorsHeaderBytes,
  safetensorsMetadata,
  safetensorsHeaderBytes,
  safetensorsText,
  safetensorsTextBytes,
  writeSafetensorsHeader,
} from '@layermill/core'
import {
  bytesOf,
  type FeatureDtype,
  type FeatureLayer,
  type FeatureRows,
  lengthOf,
  type RangeSource,
  rangesOf,
  type RowRange,
} from './types.js'
import { readValues, writeValues } from './values.js'

const alignment = 64

/** A part's features in the making: one buffer for header and layers, filled in place; finishing only moves layers together. */
export interface SafetensorsBuffer {
  row(layer: number, index: number): Float32Array | Uint16Array
  setRow(layer: number, index: number, values: Float32Array): void
  /** Closes the file with these rows; keys and labels are among those the buffer was allocated for. */
  finish(keys: readonly string[], labels?: readonly (string | undefined)[]): Uint8Array
}

/**
 * Allocates a `.safetensors` file of up to `keys.length` rows: a tensor for each layer, named as the layer, `[rows, ...rowShape]`, and in
 * `__metadata__` the rows' keys (and labels, if any) as JSON. The header's length depends on the keys given here, not on which of them
 * succeed.
 */
export function allocateSafetensors(
  layers: readonly FeatureLayer[],
  keys: readonly string[],
  labels: readonly (string | undefined)[] | undefined,
  dtype: FeatureDtype,
): SafetensorsBuffer {
  const rowBytes = layers.map(({ rowShape }) => lengthOf(rowShape) * bytesOf(dtype))
  const starts = (rows: number): number[] =>
    rowBytes.map((_, index) => rowBytes.slice(0, index).reduce((sum, bytes) => sum + bytes * rows, 0))
  const total = (rows: number): number => rowBytes.reduce((sum, bytes) => sum + bytes * rows, 0)
  const room = starts(keys.length)
  const dataOffset = headerBytes(headerText(layers, keys, labels, dtype, keys.length))
  const buffer = new Uint8Array(new ArrayBuffer(dataOffset + total(keys.length)))
  const row = (layer: number, index: number): Float32Array | Uint16Array => {
    const bytes = rowBytes[layer]
    if (bytes === undefined || !(index >= 0 && index < keys.length))
      throw new LayermillError('ROW_INVALID', `row ${index} of ${keys.length}, layer ${layer}`)
    const start = dataOffset + (room[layer] ?? 0) + index * bytes
    return dtype === 'float32' ? new Float32Array(buffer.buffer, start, bytes / 4) : new Uint16Array(buffer.buffer, start, bytes / 2)
  }
  return {
    row,
    setRow: (layer, index, values) => writeValues(values, row(layer, index)),
    finish: (kept, keptLabels) => {
      const text = headerText(layers, kept, keptLabels, dtype, kept.length)
      if (kept.length > keys.length || headerBytes(text) > dataOffset) {
        throw new LayermillError('ROW_INVALID', `${kept.length} rows whose keys are not among the ${keys.length} the file was made for`)
      }
      for (const [layer, target] of starts(kept.length).entries()) {
        const from = dataOffset + (room[layer] ?? 0)
        buffer.copyWithin(dataOffset + target, from, from + kept.length * (rowBytes[layer] ?? 0))
      }
      writeSafetensorsHeader(Buffer.from(buffer.buffer, 0, dataOffset), text)
      return buffer.subarray(0, dataOffset + total(kept.length))
    },
  }
}

function headerText(
  layers: readonly FeatureLayer[],
  keys: readonly string[],
  labels: readonly (string | undefined)[] | undefined,
  dtype: FeatureDtype,
  rows: number,
): string {
  const metadata: Record<string, string> = { format: 'layermill', keys: JSON.stringify(keys) }
  if (labels !== undefined) metadata['labels'] = JSON.stringify(labels.map(label => label ?? null))
  const items = layers.map(({ layer, rowShape }) => ({
    name: layer,
    dtype: dtype === 'float32' ? 'F32' : 'F16',
    shape: [rows, ...rowShape],
    bytes: rows * lengthOf(rowShape) * bytesOf(dtype),
  }))
  return safetensorsText(items, metadata)
}

const headerBytes = (text: string): number => safetensorsHeaderBytes(text, alignment)

/**
 * Rows of one tensor of a `.safetensors` file; reads the header and the rows asked for.
 *
 * @throws LayermillError `FEATURES_INVALID`, `LAYER_MISSING`
 */
export async function readSafetensors(input: Uint8Array | RangeSource, layer: string, rows: RowRange = {}): Promise<FeatureRows> {
  const source = rangesOf(input)
  const { header, dataOffset } = await readHeader(source, layer)
  const tensor = header[layer]
  if (tensor === undefined || layer === safetensorsMetadata) {
    const names = Object.keys(header).filter(name => name !== safetensorsMetadata)
    throw new LayermillError('LAYER_MISSING', `no layer ${layer} in the file; it holds ${names.join(', ')}`)
  }
  const { dtype, shape, offsets } = checkTensor(tensor, layer)
  const [count = 0, ...rowShape] = shape
  const rowBytes = lengthOf(rowShape) * bytesOf(dtype)
  const [from, to] = offsets
  if (to - from !== count * rowBytes) throw invalid(layer, `${to - from} bytes for the shape [${shape.join(', ')}]`)
  if (dataOffset + endOfData(header, layer) !== source.bytes)
    throw invalid(layer, `${source.bytes} bytes, not what the header says: the file is cut off`)
  const start = Math.min(rows.start ?? 0, count)
  const end = Math.max(start, Math.min(rows.end ?? count, count))
  const bytes = await source.range(dataOffset + from + start * rowBytes, dataOffset + from + end * rowBytes)
  return { layer, dtype, shape: [end - start, ...rowShape], data: readValues(bytes, dtype) }
}

async function readHeader(source: RangeSource, layer: string): Promise<{ header: Record<string, unknown>; dataOffset: number }> {
  const length = source.bytes < 8 ? 0 : safetensorsTextBytes(await source.range(0, 8))
  if (length < 2 || length > mostSafetensorsHeaderBytes || 8 + length > source.bytes)
    throw invalid(layer, 'not a safetensors file, or cut off')
  try {
    const text = Buffer.from(await source.range(8, 8 + length)).toString('utf8')
    return { header: JSON.parse(text) as Record<string, unknown>, dataOffset: 8 + length }
  } catch {
    throw invalid(layer, 'the header is not JSON')
  }
}

function checkTensor(value: unknown, layer: string): { dtype: FeatureDtype; shape: number[]; offsets: [number, number] } {
  const { dtype, shape, data_offsets: offsets } = value as { dtype?: unknown; shape?: unknown; data_offsets?: unknown }
  if (dtype !== 'F32' && dtype !== 'F16') throw invalid(layer, `values of type ${String(dtype)}, expected F32 or F16`)
  if (!isSizes(shape) || shape.length === 0 || !isSizes(offsets) || offsets.length !== 2) throw invalid(layer, 'no shape or no place')
  return { dtype: dtype === 'F32' ? 'float32' : 'float16', shape, offsets: [offsets[0] ?? 0, offsets[1] ?? 0] }
}

/** End of the last tensor. The format leaves nothing behind it. */
function endOfData(header: Record<string, unknown>, layer: string): number {
  const tensors = Object.entries(header).filter(([name]) => name !== safetensorsMetadata)
  return tensors.reduce((end, [, tensor]) => Math.max(end, checkTensor(tensor, layer).offsets[1]), 0)
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(size => Number.isSafeInteger(size) && size >= 0)
}

function invalid(layer: string, what: string): LayermillError {
  return new LayermillError('FEATURES_INVALID', `features of ${layer} (safetensors): ${what}`)
}
