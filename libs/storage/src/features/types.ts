/** How values are stored: IEEE 754 single or half precision, little-endian. */
export type FeatureDtype = 'float32' | 'float16'

/** One layer of a feature file: its public name and the shape of one image's features, without the leading row count. */
export interface FeatureLayer {
  readonly layer: string
  readonly rowShape: readonly number[]
}

/** Rows of one layer, read from a feature file. */
export interface FeatureRows {
  readonly layer: string
  /** As stored; `data` is float32 in any case, which holds every float16 exactly. */
  readonly dtype: FeatureDtype
  /** `[rows, ...rowShape]`, of the rows that were read. */
  readonly shape: readonly number[]
  /** Row after row, each in C order. */
  readonly data: Float32Array
}

/** A file that is read in ranges: an object in a bucket, a file on disk. `end` is left out; bytes may be a view of `room`. */
export interface RangeSource {
  readonly bytes: number
  range(start: number, end: number, room?: Uint8Array): Promise<Uint8Array>
}

/** Which rows of a file to read: from `start` (0 if left out) up to `end` (left out; all if not given). */
export interface RowRange {
  readonly start?: number
  readonly end?: number
}

export const bytesOf = (dtype: FeatureDtype): number => (dtype === 'float32' ? 4 : 2)

export const lengthOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

/** A file in memory as a RangeSource; ranges are views, not copies. */
export function rangesOf(input: Uint8Array | RangeSource): RangeSource {
  if (!(input instanceof Uint8Array)) return input
  return { bytes: input.byteLength, range: async (start, end) => input.subarray(start, end) }
}
