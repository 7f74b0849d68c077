import { Random } from '@layermill/core'
import { afterEach, expect, it, vi } from 'vitest'
import { addSigned, type ColumnBlock } from './signed-sums.js'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

/** A block of columns with up to `most` entries each, in no order of rows, as none needs. */
function blockOf(seed: string, columns: number, most: number, components: number): ColumnBlock {
  const random = new Random(seed)
  const counts = Uint8Array.from({ length: columns }, () => random.below(most + 1))
  const entries = Uint16Array.from({ length: counts.reduce((sum, count) => sum + count, 0) }, () => random.below(2 * components))
  return { counts, entries }
}

/** Sums by their definition: each entry's term, one after the other. */
function sumsOf({ counts, entries }: ColumnBlock, values: Float32Array, start: Float64Array): Float64Array {
  const sums = Float64Array.from(start)
  let at = 0
  for (const [column, count] of counts.entries())
    for (const entry of entries.subarray(at, (at += count))) sums[entry >>> 1]! += (entry % 2 === 0 ? 1 : -1) * values[column]!
  return sums
}

const bits = (values: Float64Array): string => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex')

it.each([
  ['few entries a column', 3, 500],
  ['some more than are written at once', 9, 200],
  ['many', 40, 16],
  ['none', 0, 8],
] as const)('sums columns with %s as one after the other, whatever the widths of the numbers', (name, most, components) => {
  const random = new Random(`values of ${name}`)
  for (const columns of [1, 7, 1000]) {
    const block = blockOf(`${name} ${columns}`, columns, most, components)
    const values = Float32Array.from({ length: columns }, (_, i) => (i % 3 === 0 ? 0 : i % 7 === 0 ? -0 : random.uint32() / 2 ** 31 - 1))
    const start = Float64Array.from({ length: components }, (_, k) => k / 7)
    const expected = bits(sumsOf(block, values, start))
    const wide = { counts: Uint32Array.from(block.counts), entries: Uint32Array.from(block.entries) }
    for (const [given, numbers] of [
      [block, values],
      [wide, values],
      [block, Float64Array.from(values)],
    ] as const) {
      const sums = Float64Array.from(start)
      addSigned(given, numbers, sums)
      expect(bits(sums), `${columns} columns`).toBe(expected)
    }
  }
})

it('carries infinities and NaNs into their sums alone', () => {
  const block = { counts: Uint8Array.of(1, 2, 1, 1), entries: Uint16Array.of(0, 2, 5, 7, 8) }
  const sums = new Float64Array(6)
  addSigned(block, Float32Array.of(Infinity, NaN, Infinity, 2), sums)
  expect([...sums]).toEqual([Infinity, NaN, NaN, -Infinity, 2, 0])
})

it('adds nothing for a block without columns', () => {
  const sums = Float64Array.of(1, 2)
  addSigned({ counts: new Uint8Array(), entries: new Uint16Array() }, new Float32Array(), sums)
  expect([...sums]).toEqual([1, 2])
})

it('takes memory to spread columns out only where it does', async () => {
  interface Memory {
    readonly buffer: ArrayBuffer
  }
  type Instance = new (module: unknown, imports: unknown) => { readonly exports: { readonly memory: Memory } }
  const real = Reflect.get(globalThis, 'WebAssembly') as { readonly Module: unknown; readonly Instance: Instance }
  let memory: Memory | undefined
  class Watched extends real.Instance {
    constructor(module: unknown, imports: unknown) {
      super(module, imports)
      memory = this.exports.memory
    }
  }
  vi.stubGlobal('WebAssembly', { Module: real.Module, Instance: Watched })
  vi.resetModules()
  const fresh = await import('./signed-sums.js')
  const columns = 1 << 16
  const counts = new Uint8Array(columns).fill(6)
  // Factors, one sum, values, counts and entries: 1,114,144 bytes, 18 pages. Spread out it would be 42.
  fresh.addSigned({ counts, entries: new Uint16Array(6 * columns) }, new Float32Array(columns).fill(1), new Float64Array(1))
  expect(memory?.buffer.byteLength).toBe(18 << 16)
  // One fewer a column: 983,072 bytes, and 1,310,736 spread out, 36 pages.
  counts.fill(5)
  fresh.addSigned({ counts, entries: new Uint16Array(5 * columns) }, new Float32Array(columns).fill(1), new Float64Array(1))
  expect(memory?.buffer.byteLength).toBe(36 << 16)
})
