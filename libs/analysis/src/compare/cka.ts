import { columnMeans, subtractRow } from '../matrix/columns.js'
import { type Matrix, matrix, type MatrixProduct } from '../matrix/matrix.js'
import { mappedSource, type RowSource } from '../matrix/row-source.js'
import { addScaled, type GramState, gramSums, type PairSums } from './gram.js'

/** Fewest rows for which HSIC_1 is defined. */
export const fewestRows = 4

/** Similarities of one pair. Null where a set does not vary, or has fewer than four rows (debiased). */
export interface LinearCka {
  /** Kornblith et al. 2019. */
  readonly biased: number | null
  /** With HSIC_1 (Song et al. 2012): near 0 for unrelated sets, also a little below. */
  readonly debiased: number | null
  /** tr(KHLH) / (n-1)^2 */
  readonly hsic0: number
  readonly hsic1: number | null
  /** HSIC_1 of consecutive batches, averaged before the ratio (Nguyen et al. 2021). Only where it is asked for. */
  readonly minibatch?: number | null
}

export interface CkaOptions {
  readonly product: MatrixProduct
  /** Bytes of matrices held at once; about. Default: `comparisonBytes`. */
  readonly memoryBytes?: number | undefined
  /** Rows of a batch; none: no minibatch values. At least 4. */
  readonly minibatch?: number
  /** Share of the work that is done. */
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
  /** Sums of Gram matrices to go on from, and where to leave them after each block. */
  readonly resumeFrom?: GramState | undefined
  readonly onBlock?: ((state: GramState) => Promise<void>) | undefined
}

const mebibyte = 1024 * 1024

/**
 * Bytes of matrices that a comparison of so many sets holds: blocks of all their Gram matrices lie side by side, and the larger they are,
 * the fewer times all rows are read.
 */
export const comparisonBytes = (sets: number): number => Math.min(12 + 6 * sets, 240) * mebibyte

/**
 * Linear CKA of all pairs of sets of the same rows. Columns are centred before products, sums are in float64 in a fixed order. Where there
 * are fewer rows than columns, blocks of all Gram matrices are formed one after the other, so that no n x n matrix exists; else the
 * products of columns, by pairs of sets that fit into the memory.
 *
 * @param sources of equally many rows
 * @returns for `a`, then `b` from `a` on: `[(0,0), (0,1) ...]`
 */
export async function linearCka(sources: readonly RowSource[], options: CkaOptions): Promise<LinearCka[]> {
  const rows = sources[0]?.rows ?? 0
  const centredSets: RowSource[] = []
  for (const source of sources) {
    options.signal?.throwIfAborted()
    const means = await columnMeans(source)
    centredSets.push(mappedSource(source, values => void subtractRow(values, means)))
  }
  const sums = gramIsSmaller(sources)
    ? await gramSums(centredSets, { ...options, memoryBytes: options.memoryBytes ?? comparisonBytes(sources.length) })
    : await columnSums(centredSets, options)
  const batches = options.minibatch === undefined ? undefined : await minibatchSums(centredSets, options.minibatch, options.product)
  const count = sources.length
  const [hsic0, hsic1] = [new Float64Array(count * count), new Float64Array(count * count)]
  eachPair(count, (a, b) => {
    const at = a * count + b
    const [r, s] = [sums.squares[a]!, sums.squares[b]!]
    const diagonal = sumOfProducts(r, s)
    const off = sums.off[at]!
    hsic0[at] = (off + diagonal) / (rows - 1) ** 2
    hsic1[at] = (off + (sum(r) * sum(s)) / ((rows - 1) * (rows - 2)) - (2 / (rows - 2)) * diagonal) / (rows * (rows - 3))
  })
  const results: LinearCka[] = []
  eachPair(count, (a, b) => {
    const ratio = (values: Float64Array): number | null => normalized(values, a, b, count)
    const enough = rows >= fewestRows
    results.push({
      biased: ratio(hsic0),
      debiased: enough ? ratio(hsic1) : null,
      hsic0: hsic0[a * count + b]!,
      hsic1: enough ? hsic1[a * count + b]! : null,
      ...(batches === undefined ? {} : { minibatch: ratio(batches) }),
    })
  })
  return results
}

function eachPair(count: number, visit: (a: number, b: number) => void): void {
  for (let a = 0; a < count; a++) for (let b = a; b < count; b++) visit(a, b)
}

/** HSIC(a, b) / sqrt(HSIC(a, a) HSIC(b, b)); null where one of these is not positive. */
function normalized(values: Float64Array, a: number, b: number, count: number): number | null {
  const [aa, bb] = [values[a * count + a]!, values[b * count + b]!]
  return ckaOf(values[a * count + b]!, aa, bb)
}

/** The ratio of three HSICs; null where a set's own is not positive, as of rows that are all alike. */
export function ckaOf(ab: number, aa: number, bb: number): number | null {
  return aa > 0 && bb > 0 ? ab / (Math.sqrt(aa) * Math.sqrt(bb)) : null
}

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0)

function sumOfProducts(a: Float64Array, b: Float64Array): number {
  let total = 0
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!
  return total
}

/** Operations of both ways, by the products they need. */
function gramIsSmaller(sources: readonly RowSource[]): boolean {
  const rows = sources[0]?.rows ?? 0
  const columns = sources.reduce((total, source) => total + source.columns, 0)
  let products = 0
  eachPair(sources.length, (a, b) => void (products += sources[a]!.columns * sources[b]!.columns))
  const gram = (rows * rows * columns) / 2 + (rows * rows * sources.length ** 2) / 2
  return gram <= rows * products
}

/** Pairs of sets whose products of columns fit into the memory together, at least one. */
function pairGroups(sources: readonly RowSource[], memoryBytes: number): (readonly [number, number])[][] {
  const groups: (readonly [number, number])[][] = []
  let room = 0
  eachPair(sources.length, (a, b) => {
    const bytes = 8 * sources[a]!.columns * sources[b]!.columns
    if (groups.length === 0 || bytes > room) {
      groups.push([])
      room = memoryBytes
    }
    groups.at(-1)!.push([a, b])
    room -= bytes
  })
  return groups
}

async function readMatrix(source: RowSource, start: number, end: number): Promise<Matrix> {
  return matrix(end - start, source.columns, await source.read(start, end))
}

async function columnSums(sources: readonly RowSource[], options: CkaOptions): Promise<PairSums> {
  const { product, memoryBytes = comparisonBytes(sources.length), onProgress, signal } = options
  const rows = sources[0]?.rows ?? 0
  const count = sources.length
  const off = new Float64Array(count * count)
  const squares = sources.map(() => new Float64Array(rows))
  const widest = Math.max(1, ...sources.map(source => source.columns))
  const size = Math.max(1, Math.min(4096, Math.floor(memoryBytes / 4 / (8 * widest * count))))
  const groups = pairGroups(sources, memoryBytes / 2)
  for (const [done, group] of groups.entries()) {
    const products = group.map(([a, b]) => new Float64Array(sources[a]!.columns * sources[b]!.columns))
    const needed = [...new Set(group.flat())]
    for (let start = 0; start < rows; start += size) {
      signal?.throwIfAborted()
      const end = Math.min(rows, start + size)
      const blocks = new Map<number, Matrix>()
      for (const set of needed) {
        const block = await readMatrix(sources[set]!, start, end)
        blocks.set(set, block)
        for (let i = start; i < end; i++) squares[set]![i] = squareOf(block, i - start)
      }
      for (const [i, [a, b]] of group.entries()) addScaled(products[i]!, (await product(blocks.get(a)!, blocks.get(b)!, 'tn')).data, 1)
      onProgress?.(done * rows + end, groups.length * rows)
    }
    for (const [i, [a, b]] of group.entries()) off[a * count + b] = sumOfProducts(products[i]!, products[i]!)
  }
  eachPair(count, (a, b) => void (off[a * count + b]! -= sumOfProducts(squares[a]!, squares[b]!)))
  return { off, squares }
}

function squareOf({ columns, data }: Matrix, row: number): number {
  let total = 0
  for (let at = row * columns; at < (row + 1) * columns; at++) total += data[at]! * data[at]!
  return total
}

/** Sums of HSIC_1 over consecutive batches; a rest of fewer than four rows is left out. */
async function minibatchSums(sources: readonly RowSource[], batch: number, product: MatrixProduct): Promise<Float64Array> {
  const rows = sources[0]?.rows ?? 0
  const count = sources.length
  const sums = new Float64Array(count * count)
  for (let start = 0; start + fewestRows <= rows; start += batch) {
    const end = Math.min(rows, start + batch)
    const grams: Float64Array[] = []
    for (const source of sources) grams.push(uCentred((await kernelOf(source, start, end, product)).data, end - start))
    const n = end - start
    eachPair(count, (a, b) => void (sums[a * count + b]! += sumOfProducts(grams[a]!, grams[b]!) / (n * (n - 3))))
  }
  return sums
}

async function kernelOf(source: RowSource, start: number, end: number, product: MatrixProduct): Promise<Matrix> {
  const block = await readMatrix(source, start, end)
  return product(block, block, 'nt')
}

/**
 * U-centres a kernel matrix (Szekely and Rizzo 2014) in place: off the diagonal, rows and columns sum to 0; the diagonal is 0. The inner
 * product of two such matrices over n (n - 3) is HSIC_1.
 */
export function uCentred(kernel: Float64Array, n: number): Float64Array {
  const sums = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    kernel[i * n + i] = 0
    for (let j = 0; j < n; j++) sums[i]! += kernel[i * n + j]!
  }
  const all = sum(sums) / ((n - 1) * (n - 2))
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) if (i !== j) kernel[i * n + j]! += all - (sums[i]! + sums[j]!) / (n - 2)
  }
  return kernel
}
