/** Types of the part of WebAssembly that is used. Node.js has it, but only the DOM's types declare it, not ES2023's or Node's. */

/** A compiled module. Threads can be sent it. */
export interface WasmModule {
  readonly [Symbol.toStringTag]: string
}

/** A memory; a shared one can be sent to other threads, which then have the same. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer
  grow(pages: number): number
}

type Imports = Readonly<Record<string, Readonly<Record<string, WasmMemory>>>>

declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => WasmModule
  readonly Instance: new (module: WasmModule, imports?: Imports) => { readonly exports: unknown }
  readonly Memory: new (size: { initial: number; maximum: number; shared: boolean }) => WasmMemory
}

/** Bytes of a page of memory. */
export const wasmPage = 1 << 16

/** Compiles a small module, given in base64, at once. */
export function compileWasm(base64: string): WasmModule {
  return new WebAssembly.Module(Buffer.from(base64, 'base64'))
}

/** An instance's exports, whose types are the caller's promise: those of the module's text. */
export function instantiateWasm<Exports>(module: WasmModule, imports: Imports = {}): Exports {
  return new WebAssembly.Instance(module, imports).exports as Exports
}

/** Memory of so many pages that threads share. The system gives it out as it is first written. */
export function sharedWasmMemory(pages: number): WasmMemory {
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}
