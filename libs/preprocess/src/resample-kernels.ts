import { compileWasm, instantiateWasm, wasmPage, type WasmMemory, type WasmModule } from '@layermill/core'
import { resampleWasm } from './resample-wasm.js'

/** A kernel whose memory has grown beyond this is let go after use. */
const keepBytes = 1 << 25

type Horizontal = (
  source: number,
  sourceStride: number,
  rows: number,
  target: number,
  targetStride: number,
  columns: number,
  spans: number,
  coefficients: number,
  coefficientStride: number,
) => void
type Vertical = (source: number, stride: number, target: number, coefficients: number, pairs: number) => void

/** An instance of wasm/resample.wat with its own memory. */
export class Kernels {
  readonly horizontal: Horizontal
  readonly vertical: Vertical
  private readonly memory: WasmMemory
  private heap: Uint8Array

  constructor(module: WasmModule) {
    const { horizontal, vertical, memory } = instantiateWasm<{ horizontal: Horizontal; vertical: Vertical; memory: WasmMemory }>(module)
    this.horizontal = horizontal
    this.vertical = vertical
    this.memory = memory
    this.heap = new Uint8Array(this.memory.buffer)
  }

  /** The memory. Growing replaces it: ask again after `ensure`. */
  get bytes(): Uint8Array {
    return this.heap
  }

  /** Makes the memory at least `size` bytes long. */
  ensure(size: number): void {
    if (this.heap.length >= size) return
    this.memory.grow(Math.ceil((size - this.heap.length) / wasmPage))
    this.heap = new Uint8Array(this.memory.buffer)
  }
}

let compiled: WasmModule | undefined
let idle: Kernels[] | undefined

/** Kernels for the exclusive use of the caller, who gives them back with `releaseKernels`. Compiles them on the first call. */
export function acquireKernels(): Kernels {
  compiled ??= compileWasm(resampleWasm)
  return idle?.pop() ?? new Kernels(compiled)
}

export function releaseKernels(kernels: Kernels): void {
  if (kernels.bytes.length <= keepBytes) (idle ??= []).push(kernels)
}
