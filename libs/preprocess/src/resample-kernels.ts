import { RESAMPLE_WASM } from './resample-wasm.js'

interface WasmModule {
  readonly [Symbol.toStringTag]: string
}

interface WasmMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

/** What is used here of WebAssembly, which Node.js has, but of which neither ES2023's nor Node's types know without the DOM's. */
declare const WebAssembly: {
  readonly Instance: new (module: WasmModule) => { readonly exports: Readonly<Record<string, unknown>> }
  compile(bytes: Uint8Array): Promise<WasmModule>
}

const PAGE = 65_536
/** A kernel whose memory has grown beyond this is let go after use. */
const KEEP_BYTES = 1 << 25

type Horizontal = (source: number, sourceStride: number, rows: number, target: number, targetStride: number, columns: number,
  spans: number, coefficients: number, coefficientStride: number) => void
type Vertical = (source: number, stride: number, target: number, coefficients: number, pairs: number) => void

/** An instance of wasm/resample.wat with its own memory. */
export class Kernels {
  readonly horizontal: Horizontal
  readonly vertical: Vertical
  readonly #memory: WasmMemory
  #bytes: Uint8Array

  constructor(module: WasmModule) {
    const { horizontal, vertical, memory } = new WebAssembly.Instance(module).exports
    this.horizontal = horizontal as Horizontal
    this.vertical = vertical as Vertical
    this.#memory = memory as WasmMemory
    this.#bytes = new Uint8Array(this.#memory.buffer)
  }

  /** The memory. Growing replaces it: ask again after `ensure`. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** Makes the memory at least `size` bytes long. */
  ensure(size: number): void {
    if (this.#bytes.length >= size) return
    this.#memory.grow(Math.ceil((size - this.#bytes.length) / PAGE))
    this.#bytes = new Uint8Array(this.#memory.buffer)
  }
}

let compiled: Promise<WasmModule> | undefined
let idle: Kernels[] | undefined

/** Kernels for the exclusive use of the caller, who gives them back with `releaseKernels`. Compiles them on the first call. */
export async function acquireKernels(): Promise<Kernels> {
  compiled ??= WebAssembly.compile(Buffer.from(RESAMPLE_WASM, 'base64'))
  return idle?.pop() ?? new Kernels(await compiled)
}

export function releaseKernels(kernels: Kernels): void {
  if (kernels.bytes.length <= KEEP_BYTES) (idle ??= []).push(kernels)
}
