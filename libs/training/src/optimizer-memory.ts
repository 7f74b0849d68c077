import { sharedWasmMemory, wasmPage, type WasmMemory } from '@layermill/core'

/** Pages that a 32-bit address reaches. */
const mostPages = 1 << 16
const alignment = 16

const bytesOf = (length: number): number => Math.ceil((length * Float32Array.BYTES_PER_ELEMENT) / alignment) * alignment

/** Numbers in memory that threads share. */
export function sharedNumbers(length: number): Float32Array<SharedArrayBuffer> {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT))
}

/**
 * One piece of memory that threads share and that the kernels can address: what a large model's update reads and writes. The system
 * gives it out as it is first written.
 */
export class OptimizerMemory {
  private used = 0

  private constructor(readonly memory: WasmMemory) {}

  /** Memory for arrays of these lengths; undefined where they need more than the 4 GiB that kernels can address. */
  static of(lengths: readonly number[]): OptimizerMemory | undefined {
    const pages = Math.ceil(lengths.reduce((sum, length) => sum + bytesOf(length), 0) / wasmPage)
    if (pages > mostPages) return undefined
    return new OptimizerMemory(sharedWasmMemory(pages))
  }

  /** An array of zeros, in this memory where there is room, else in shared memory of its own. */
  numbers(length: number): Float32Array<SharedArrayBuffer> {
    const start = this.used
    const { buffer } = this.memory
    if (!(buffer instanceof SharedArrayBuffer) || start + bytesOf(length) > buffer.byteLength) return sharedNumbers(length)
    this.used += bytesOf(length)
    return new Float32Array(buffer, start, length)
  }

  has({ buffer }: Float32Array): boolean {
    return buffer === this.memory.buffer
  }
}
