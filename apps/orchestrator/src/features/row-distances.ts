import { compileWasm, instantiateWasm, type WasmMemory, type WasmModule, wasmPage } from '@layermill/core'
import { measureWasm } from './measure-wasm.js'
import type { Metric } from './metric.js'

/** wasm/features/measure.wat. Pointers and lengths are in bytes. */
interface MeasureKernel {
  readonly memory: WasmMemory
  /** For each row two float64: its sum of products with the vector, and its sum of squares. */
  products(vector: number, bytes: number, rows: number, end: number, target: number): void
  /** For each row one float64: its sum of squared differences from the vector. */
  differences(vector: number, bytes: number, rows: number, end: number, target: number): void
}

/** Bytes of rows copied into the kernel's memory at a time: few enough to stay in a processor's second cache. */
const chunkBytes = 128 * 1024

let compiled: WasmModule | undefined

/**
 * Distances between one vector and many rows, summed in double precision by SIMD code. A row's distance depends on the row and the vector
 * alone, not on its neighbours. Memory is for twice the vector, or for the vector and 128 KiB of rows.
 */
export class RowDistances {
  private readonly kernel: MeasureKernel
  private readonly rowsAtOnce: number
  private readonly length: number
  /** Rows within the kernel's memory; its vector lies at 0. */
  private readonly rows: Float32Array
  private readonly sums: Float64Array
  /** The vector's own sum of squares, as the kernel adds it up for an equal row. */
  private readonly own: number

  /** @param vector its numbers are copied; at least one */
  constructor(
    private readonly metric: Metric,
    vector: Float32Array,
  ) {
    const bytes = vector.byteLength
    this.length = vector.length
    this.rowsAtOnce = Math.max(1, Math.floor(chunkBytes / bytes))
    // The sums begin at a multiple of 16 bytes.
    const sumsAt = Math.ceil((bytes * (1 + this.rowsAtOnce)) / 16) * 16
    compiled ??= compileWasm(measureWasm)
    this.kernel = instantiateWasm<MeasureKernel>(compiled)
    this.kernel.memory.grow(Math.ceil((sumsAt + 16 * this.rowsAtOnce) / wasmPage))
    const { buffer } = this.kernel.memory
    new Float32Array(buffer, 0, this.length).set(vector)
    this.rows = new Float32Array(buffer, bytes, this.length * this.rowsAtOnce)
    this.sums = new Float64Array(buffer, sumsAt, 2 * this.rowsAtOnce)
    this.kernel.products(0, bytes, 0, bytes, sumsAt)
    this.own = this.sums[1]!
  }

  /**
   * For each row how far it is from the vector, at least 0; of an equal row exactly 0 (but with `cosine` 1 where both are all zeros); no
   * finite number where a value is none.
   *
   * @param values rows as long as the vector, one behind the other
   */
  of(values: Float32Array): Float64Array {
    const distances = new Float64Array(values.length / this.length)
    for (let first = 0; first < distances.length; first += this.rowsAtOnce) {
      const count = Math.min(this.rowsAtOnce, distances.length - first)
      this.rows.set(values.subarray(first * this.length, (first + count) * this.length))
      this.measure(distances.subarray(first, first + count))
    }
    return distances
  }

  /** Fills in the distances of the rows in the kernel's memory. */
  private measure(distances: Float64Array): void {
    const bytes = this.rows.byteOffset
    const end = bytes * (1 + distances.length)
    if (this.metric === 'l2') {
      this.kernel.differences(0, bytes, bytes, end, this.sums.byteOffset)
      for (let i = 0; i < distances.length; i++) distances[i] = Math.sqrt(this.sums[i]!)
    } else {
      this.kernel.products(0, bytes, bytes, end, this.sums.byteOffset)
      for (let i = 0; i < distances.length; i++) distances[i] = this.cosineDistance(i)
    }
  }

  private cosineDistance(row: number): number {
    // One root of the product, not the product of two roots: that of a square is exact.
    const lengths = Math.sqrt(this.own * this.sums[2 * row + 1]!)
    return lengths === 0 ? 1 : Math.max(0, 1 - this.sums[2 * row]! / lengths)
  }
}
