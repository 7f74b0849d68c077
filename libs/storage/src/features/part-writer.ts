import { fromFloat16, LayermillError, toFloat16 } from '@layermill/core'
import { type FeatureFormat, featurePath } from '@layermill/contracts'
import { allocateNpy } from './npy.js'
import { encodeParquetFeatures } from './parquet.js'
import { allocateSafetensors } from './safetensors.js'
import { type FeatureDtype, type FeatureLayer, lengthOf } from './types.js'
import { writeValues } from './values.js'

/** A file of a part, ready to be put under its path. */
export interface FeatureFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Options for writing a part's features. */
export interface PartOptions {
  readonly format: FeatureFormat
  readonly dtype: FeatureDtype
  readonly part: number
  readonly layers: readonly FeatureLayer[]
  /** The part's images, in its order. Fewer may be finished, in the same order, where images fail. */
  readonly keys: readonly string[]
  /** A label for each key, where the dataset has labels. */
  readonly labels?: readonly (string | undefined)[]
}

/** Takes a part's features row by row and gives its files. */
export interface PartWriter {
  /** Puts one image's features of one layer; rows are numbered without gaps, images that fail have none. */
  setRow(layer: string, row: number, values: Float32Array): void
  /** The part's files with these images as rows. Each image's features must have been set. May be called once. */
  finish(keys: readonly string[], labels?: readonly (string | undefined)[]): FeatureFile[]
}

/** Allocates all that a part needs at once: its features' bytes, and for parquet as much again when it is finished. */
export function createPartWriter(options: PartOptions): PartWriter {
  const positions = new Map(options.layers.map(({ layer }, index) => [layer, index]))
  const position = (layer: string): number => {
    const found = positions.get(layer)
    if (found === undefined)
      throw new LayermillError('LAYER_MISSING', `no layer ${layer} in this part; it has ${[...positions.keys()].join(', ')}`)
    return found
  }
  if (options.format === 'npy') return npyWriter(options, position)
  return options.format === 'parquet' ? parquetWriter(options, position) : safetensorsWriter(options, position)
}

type Position = (layer: string) => number

function npyWriter({ layers, keys, dtype, part }: PartOptions, position: Position): PartWriter {
  const files = layers.map(({ rowShape }) => allocateNpy(keys.length, rowShape, dtype))
  return {
    setRow: (layer, row, values) => files[position(layer)]?.setRow(row, values),
    finish: kept =>
      layers.map(({ layer }, index) => ({
        path: featurePath(layer, part, 'npy'),
        bytes: files[index]?.finish(kept.length) ?? new Uint8Array(),
      })),
  }
}

function parquetWriter({ layers, keys, labels, dtype, part }: PartOptions, position: Position): PartWriter {
  const columns = layers.map(layer => ({
    ...layer,
    length: lengthOf(layer.rowShape),
    data: new Float32Array(keys.length * lengthOf(layer.rowShape)),
  }))
  return {
    setRow: (layer, row, values) => {
      const column = columns[position(layer)]
      if (column === undefined || !(row >= 0 && row < keys.length)) throw new LayermillError('ROW_INVALID', `row ${row} of ${keys.length}`)
      writeValues(dtype === 'float32' ? values : rounded(values), column.data.subarray(row * column.length, (row + 1) * column.length))
    },
    finish: (kept, keptLabels) => {
      const filled = columns.map(({ layer, rowShape, length, data }) => ({ layer, rowShape, data: data.subarray(0, kept.length * length) }))
      const bytes = encodeParquetFeatures(kept, labels === undefined ? undefined : (keptLabels ?? kept.map(() => undefined)), filled, dtype)
      return [{ path: featurePath('', part, 'parquet'), bytes }]
    },
  }
}

function rounded(values: Float32Array): Float32Array {
  const halves = new Uint16Array(values.length)
  toFloat16(values, halves)
  return fromFloat16(halves)
}

function safetensorsWriter({ layers, keys, labels, dtype, part }: PartOptions, position: Position): PartWriter {
  const file = allocateSafetensors(layers, keys, labels, dtype)
  return {
    setRow: (layer, row, values) => file.setRow(position(layer), row, values),
    finish: (kept, keptLabels) => [
      {
        path: featurePath('', part, 'safetensors'),
        bytes: file.finish(kept, labels === undefined ? undefined : (keptLabels ?? kept.map(() => undefined))),
      },
    ],
  }
}
