import { compileWasm, instantiateWasm, type WasmMemory, wasmPage } from '@layermill/core'
import { projectWasm } from './project-wasm.js'

/** Some columns of a sparse matrix: how many entries each has, and all of them, `row * 2 + (negative ? 1 : 0)`. */
export interface ColumnBlock {
  readonly counts: Uint8Array | Uint32Array
  readonly entries: Uint16Array | Uint32Array
}

/** A block whose numbers are short enough for the kernel. */
interface ShortBlock {
  readonly counts: Uint8Array
  readonly entries: Uint16Array
}

/** wasm/reduce/project.wat. Pointers are in bytes. */
interface ProjectKernel {
  readonly memory: WasmMemory
  spread(counts: number, end: number, values: number, target: number): void
  add(entries: number, end: number, spread: number, sums: number): void
  columns(counts: number, end: number, values: number, entries: number, sums: number): void
}

/** Entries a column below which a block is spread out before it is summed: lengths of short columns cannot be foreseen by a processor. */
const fewEntries = 6
/** Bytes that may be written behind the numbers that are spread out. */
const overrun = 16
/** The two factors at the beginning of the kernel's memory. */
const factorBytes = 16

const aligned = (bytes: number): number => Math.ceil(bytes / 16) * 16

let kernel: ProjectKernel | undefined

/** The kernel of this thread, with at least so much memory: one for all matrices, each of which is done with it when its row is. */
function kernelOf(bytes: number): ProjectKernel {
  if (kernel === undefined) {
    kernel = instantiateWasm<ProjectKernel>(compileWasm(projectWasm))
    new Float64Array(kernel.memory.buffer, 0, 2).set([1, -1])
  }
  const missing = bytes - kernel.memory.buffer.byteLength
  if (missing > 0) kernel.memory.grow(Math.ceil(missing / wasmPage))
  return kernel
}

/** Addresses in the kernel's memory for a block; only one of few entries a column is spread out. */
function layoutOf({ counts, entries }: ShortBlock, components: number) {
  const spreads = entries.length < fewEntries * counts.length
  const sums = factorBytes
  const values = aligned(sums + 8 * components)
  const countsAt = aligned(values + 4 * counts.length)
  const entriesAt = aligned(countsAt + counts.length)
  const spread = aligned(entriesAt + 2 * entries.length)
  const end = spreads ? spread + 4 * entries.length + overrun : spread
  return { sums, values, counts: countsAt, entries: entriesAt, spreads, spread, end }
}

function addInKernel(block: ShortBlock, values: Float32Array, sums: Float64Array): void {
  const { counts, entries } = block
  if (counts.length === 0) return
  const at = layoutOf(block, sums.length)
  const own = kernelOf(at.end)
  const { buffer } = own.memory
  const there = new Float64Array(buffer, at.sums, sums.length)
  there.set(sums)
  new Float32Array(buffer, at.values, values.length).set(values)
  new Uint8Array(buffer, at.counts, counts.length).set(counts)
  new Uint16Array(buffer, at.entries, entries.length).set(entries)
  const countsEnd = at.counts + counts.length
  if (!at.spreads) own.columns(at.counts, countsEnd, at.values, at.entries, at.sums)
  else if (entries.length > 0) {
    own.spread(at.counts, countsEnd, at.values, at.spread)
    own.add(at.entries, at.entries + 2 * entries.length, at.spread, at.sums)
  }
  sums.set(there)
}

/** 1 or -1 by an entry's last bit. */
const signOf = (entry: number): number => 1 - ((entry & 1) << 1)

function addInTurn({ counts, entries }: ColumnBlock, values: Float32Array | Float64Array, sums: Float64Array): void {
  let at = 0
  for (let column = 0; column < counts.length; column++) {
    const end = at + counts[column]!
    const value = values[column]!
    // Zeros change no sum.
    if (value !== 0) {
      for (let i = at; i < end; i++) {
        const entry = entries[i]!
        sums[entry >>> 1]! += value * signOf(entry)
      }
    }
    at = end
  }
}

const isShort = (block: ColumnBlock): block is ShortBlock => block.counts instanceof Uint8Array && block.entries instanceof Uint16Array

/**
 * Adds the values of a block's columns, one each, to sums in float64 with the signs of their entries. By columns, so that the values are
 * read once and in their order, and the sums stay in the processor's cache; each sum has its terms in the order of the columns all the
 * same, so the bits do not depend on how it is done.
 */
export function addSigned(block: ColumnBlock, values: Float32Array | Float64Array, sums: Float64Array): void {
  if (isShort(block) && values instanceof Float32Array) addInKernel(block, values, sums)
  else addInTurn(block, values, sums)
}
