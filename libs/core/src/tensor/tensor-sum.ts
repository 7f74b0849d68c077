import { setImmediate } from 'node:timers/promises'
import { addWasm } from '../add-wasm.js'
import { compileWasm, instantiateWasm, type WasmMemory } from '../wasm/wasm.js'

/** Elements between two breaths of the event loop: one or two milliseconds. */
const chunk = 1 << 20

/**
 * Calls `work` for ranges that make up all of the arrays, in order. The event loop turns every 2^20 elements, however many arrays they are
 * in.
 * @param lengths of the arrays
 * @param work takes about a nanosecond for each element from `start` to `end` of array number `index`
 */
export async function inChunks(lengths: readonly number[], work: (index: number, start: number, end: number) => void): Promise<void> {
  let room = chunk
  for (const [index, length] of lengths.entries()) {
    for (let start = 0; start < length;) {
      const end = Math.min(length, start + room)
      work(index, start, end)
      room -= end - start
      start = end
      if (room > 0) continue
      await setImmediate()
      room = chunk
    }
  }
}

interface AddKernel {
  readonly memory: WasmMemory
  add(target: number, values: number, end: number): void
}

/** Elements in one call of the kernel: so few that they stay in a fast cache. */
const blockLength = 8192
/** Elements that the kernel adds at a time. */
const step = 8

/** A kernel with memory of its own for a block of each array: twice as fast as a loop, though all is copied in and out. */
class Adder {
  private readonly kernel: AddKernel
  private readonly target: Float32Array
  private readonly values: Float32Array

  constructor() {
    this.kernel = instantiateWasm<AddKernel>(compileWasm(addWasm))
    this.target = new Float32Array(this.kernel.memory.buffer, 0, blockLength)
    this.values = new Float32Array(this.kernel.memory.buffer, this.target.byteLength, blockLength)
  }

  /** `target[i] += values[i]`. */
  add(target: Float32Array, values: Float32Array, start: number, end: number): void {
    for (let from = start; from < end; from += blockLength) {
      const sums = target.subarray(from, Math.min(end, from + blockLength))
      const whole = Math.ceil(sums.length / step) * step
      this.target.set(sums)
      this.values.set(values.subarray(from, from + sums.length))
      this.kernel.add(0, this.values.byteOffset, whole * Float32Array.BYTES_PER_ELEMENT)
      sums.set(this.target.subarray(0, sums.length))
    }
  }
}

let adder: Adder | undefined

/** Adds arrays to others of the same lengths in place, element by element, in float32. The event loop turns now and then. */
export async function addArrays(targets: readonly Float32Array[], values: readonly Float32Array[]): Promise<void> {
  adder ??= new Adder()
  const kernel = adder
  await inChunks(
    values.map(array => array.length),
    (index, start, end) => kernel.add(targets[index]!, values[index]!, start, end),
  )
}
