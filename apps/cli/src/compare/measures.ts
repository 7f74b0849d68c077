import {
  bootstrapIntervals,
  type Cca,
  cca,
  ccaSet,
  type CcaSet,
  centred,
  comparisonBytes,
  computeRdm,
  type Dissimilarity,
  dissimilarityTies,
  gaussianKernel,
  type GaussianKernel,
  type Intervals,
  type LinearCka,
  linearCka,
  type Matrix,
  type MatrixProduct,
  type PairBlock,
  partialRsa,
  type PermutationTest,
  permutationTest,
  procrustes,
  type Procrustes,
  procrustesSet,
  type RbfCka,
  rbfCka,
  type Rsa,
  rsa,
  svcca,
} from '@layermill/analysis'
import type { compareMeasures } from '@layermill/contracts'
import type { NamedSet } from './feature-sets.js'
import type { Journal } from './journal.js'
import { RdmShelf } from './rdm-shelf.js'
import { type ScaledSet, unscaled } from './scale.js'

export type Measure = (typeof compareMeasures)[number]

/** Correlations of two sets' dissimilarities; `partial` with those of a third held constant. */
export type PairRsa = Rsa & { p?: PermutationTest; interval?: Intervals; partial?: ReturnType<typeof partialRsa> }

/** Values of one pair of sets. Null is undefined; `notDefined` says why. */
export interface PairResult {
  readonly a: string
  readonly b: string
  readonly cka?: Pick<LinearCka, 'biased' | 'debiased' | 'minibatch'>
  readonly rsa?: PairRsa
  readonly rbf?: RbfCka
  readonly svcca?: { readonly mean: number | null; readonly kept: readonly [number, number] }
  readonly cca?: Cca | null
  readonly procrustes?: Procrustes | null
  readonly notDefined?: readonly string[]
}

export interface CompareOptions {
  readonly measures: ReadonlySet<Measure>
  readonly rdm: Dissimilarity
  /** Place of the set whose dissimilarities are held constant for partial correlations. */
  readonly partial?: number | undefined
  readonly minibatch?: number | undefined
  readonly permutations: number
  readonly bootstrap: number
  readonly seed: string
  readonly product: MatrixProduct
  /** Bytes of matrices held at once; default: `comparisonBytes`. */
  readonly memoryBytes?: number | undefined
  readonly journal: Journal
  /** Share of the work to do, whose values are then in the journal alone; all of it where left out. */
  readonly block?: PairBlock | undefined
  readonly signal: AbortSignal
  /** Called with words and a share of the present step. */
  readonly onProgress: (step: string, done: number, total: number) => void
  /** Called with each set's dissimilarities, in order. */
  readonly onRdm?: (set: NamedSet, values: Float64Array) => Promise<void>
}

export interface Comparison {
  readonly pairs: readonly PairResult[]
  /** Of each set the rows that have no direction, for which a dissimilarity of 1 stands. */
  readonly undefinedRows: ReadonlyMap<string, readonly number[]>
}

type Draft = { -readonly [Key in keyof PairResult]: PairResult[Key] }

/** All pairs of different sets, then each with itself. */
function pairsOf(count: number): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = []
  for (let a = 0; a < count; a++) for (let b = a + 1; b < count; b++) pairs.push([a, b])
  for (let a = 0; a < count; a++) pairs.push([a, a])
  return pairs
}

/** Compares all pairs of sets whose rows are of the same images. Sets are read in blocks. */
export async function comparePairs(sets: readonly ScaledSet[], options: CompareOptions): Promise<Comparison> {
  const pairs = pairsOf(sets.length)
  const drafts: Draft[] = pairs.map(([a, b]) => ({ a: sets[a]!.name, b: sets[b]!.name }))
  const undefinedRows = new Map<string, readonly number[]>()
  if (options.measures.has('cka')) await addCka(sets, pairs, drafts, options)
  if (options.measures.has('rsa') || options.onRdm !== undefined) await addRsa(sets, pairs, drafts, undefinedRows, options)
  if (options.measures.has('rbf')) await addRbf(sets, pairs, drafts, options)
  if (options.measures.has('svcca') || options.measures.has('cca')) await addCca(sets, pairs, drafts, options)
  if (options.measures.has('procrustes')) await addProcrustes(sets, pairs, drafts, options)
  return { pairs: drafts.map(withReasons), undefinedRows }
}

type Pairs = readonly (readonly [number, number])[]
type Left = readonly (readonly [number, readonly [number, number]])[]

/** Places and sets of the pairs that are still to be looked at: not known from the journal, and in the block. */
function leftOf(measure: string, pairs: Pairs, { journal, block }: CompareOptions, take: (i: number, known: unknown) => void): Left {
  return [...pairs.entries()].filter(([i, [a, b]]) => {
    const known = journal.get<unknown>(measure, i)
    if (known !== undefined) take(i, known)
    return known === undefined && (block === undefined || block.has(a, b))
  })
}

/** The sets of some pairs. */
const setsOf = (left: Left): ReadonlySet<number> => new Set(left.flatMap(([, pair]) => pair))

async function addCka(sets: readonly ScaledSet[], pairs: Pairs, drafts: readonly Draft[], options: CompareOptions): Promise<void> {
  const { product, memoryBytes, minibatch, signal, onProgress, journal, block } = options
  for (const i of pairs.keys()) drafts[i]!.cka = journal.get('cka', i)
  if (block?.sums === false || drafts.every(({ cka }) => cka !== undefined)) return
  const found = await linearCka(
    sets.map(({ source }) => source),
    {
      product,
      memoryBytes,
      minibatch,
      signal,
      resumeFrom: journal.gram,
      onBlock: state => journal.keepGram(state),
      onProgress: (done, total) => onProgress('CKA', done, total),
    },
  )
  const count = sets.length
  for (const [i, [a, b]] of pairs.entries()) {
    const { biased, debiased, minibatch: batches } = found[a * count - (a * (a - 1)) / 2 + b - a]!
    drafts[i]!.cka = { biased, debiased, ...(batches === undefined ? {} : { minibatch: batches }) }
    await journal.set('cka', i, drafts[i]!.cka)
  }
}

/** Looks at pairs so that a set that is read from disk serves its whole row. */
async function addRsa(
  sets: readonly ScaledSet[],
  pairs: Pairs,
  drafts: readonly Draft[],
  undefinedRows: Map<string, readonly number[]>,
  options: CompareOptions,
): Promise<void> {
  const { rdm, product, signal, onProgress, onRdm, permutations, bootstrap, seed, journal, block } = options
  const wanted = options.measures.has('rsa')
  const left = wanted ? leftOf('rsa', pairs, options, (i, known) => (drafts[i]!.rsa = known as PairRsa)) : []
  const needed = new Set(setsOf(left))
  if (left.length > 0 && options.partial !== undefined) needed.add(options.partial)
  await using shelf = new RdmShelf(options.memoryBytes ?? comparisonBytes(sets.length), dissimilarityTies(rdm))
  for (const [i, set] of sets.entries()) {
    let without = journal.get<readonly number[]>('undefinedRows', i)
    if (needed.has(i) || onRdm !== undefined || (without === undefined && block === undefined)) {
      const found = await computeRdm(set.source, rdm, { product, signal })
      without = found.undefinedRows
      await journal.set('undefinedRows', i, without)
      await onRdm?.(set, unscaled(found.values, set.scale, rdm))
      if (needed.has(i)) await shelf.put(i, found.size, found.values)
    }
    if (without !== undefined && without.length > 0) undefinedRows.set(set.name, without)
    onProgress('dissimilarities', i + 1, sets.length)
  }
  const held = options.partial === undefined || left.length === 0 ? undefined : await shelf.get(options.partial)
  for (const [at, [i, [a, b]]] of left.entries()) {
    signal.throwIfAborted()
    const [x, y] = [await shelf.get(a), await shelf.get(b)]
    drafts[i]!.rsa = {
      ...rsa(x, y),
      ...(permutations > 0 ? { p: permutationTest(x, y, { draws: permutations, seed }) } : {}),
      ...(bootstrap > 0 ? { interval: bootstrapIntervals(x, y, { draws: bootstrap, seed }) } : {}),
      ...(held === undefined || a === b || a === options.partial || b === options.partial ? {} : { partial: partialRsa(x, y, held) }),
    }
    await journal.set('rsa', i, drafts[i]!.rsa)
    onProgress('RSA', at + 1, left.length)
  }
}

async function addRbf(sets: readonly ScaledSet[], pairs: Pairs, drafts: readonly Draft[], options: CompareOptions): Promise<void> {
  const { product, signal, onProgress, journal } = options
  const left = leftOf('rbf', pairs, options, (i, known) => (drafts[i]!.rbf = known as RbfCka))
  const kernels = new Map<number, GaussianKernel>()
  for (const set of setsOf(left)) {
    const { values, size } = await computeRdm(sets[set]!.source, 'sqeuclidean', { product, signal })
    kernels.set(set, gaussianKernel(values, size, 1))
  }
  for (const [at, [i, [a, b]]] of left.entries()) {
    signal.throwIfAborted()
    drafts[i]!.rbf = rbfCka(kernels.get(a)!, kernels.get(b)!)
    await journal.set('rbf', i, drafts[i]!.rbf)
    onProgress('RBF CKA', at + 1, left.length)
  }
}

async function addCca(sets: readonly ScaledSet[], pairs: Pairs, drafts: readonly Draft[], options: CompareOptions): Promise<void> {
  const left = leftOf('cca', pairs, options, (i, known) => Object.assign(drafts[i]!, known as Pick<Draft, 'svcca' | 'cca'>))
  const needed = setsOf(left)
  const prepared = new Map<number, CcaSet>()
  for (const set of needed) {
    options.signal.throwIfAborted()
    prepared.set(set, ccaSet(await centred(sets[set]!.source)))
    options.onProgress('singular vectors', prepared.size, needed.size)
  }
  for (const [at, [i, [a, b]]] of left.entries()) {
    options.signal.throwIfAborted()
    const [x, y] = [prepared.get(a)!, prepared.get(b)!]
    const found = {
      ...(options.measures.has('svcca') ? { svcca: svcca(x, y) } : {}),
      ...(options.measures.has('cca') ? { cca: cca(x, y) } : {}),
    }
    Object.assign(drafts[i]!, found)
    await options.journal.set('cca', i, found)
    options.onProgress('CCA', at + 1, left.length)
  }
}

async function addProcrustes(sets: readonly ScaledSet[], pairs: Pairs, drafts: readonly Draft[], options: CompareOptions): Promise<void> {
  const left = leftOf('procrustes', pairs, options, (i, known) => (drafts[i]!.procrustes = known as Procrustes | null))
  const prepared = new Map<number, Matrix | null>()
  for (const set of setsOf(left)) prepared.set(set, procrustesSet(await centred(sets[set]!.source)))
  for (const [at, [i, [a, b]]] of left.entries()) {
    options.signal.throwIfAborted()
    drafts[i]!.procrustes = procrustes(prepared.get(a)!, prepared.get(b)!)
    await options.journal.set('procrustes', i, drafts[i]!.procrustes)
    options.onProgress('Procrustes', at + 1, left.length)
  }
}

/** Names what is undefined, and why: null alone does not say. */
function withReasons(pair: Draft): PairResult {
  const reasons: string[] = []
  const alike = 'rows of one of the sets are all alike'
  if (pair.rsa?.partial?.pearson === null || pair.rsa?.partial?.spearman === null)
    reasons.push('rsa.partial: the set held constant explains one of the sets entirely, or a correlation is undefined')
  if (pair.cka?.biased === null) reasons.push(`cka.biased: ${alike}`)
  if (pair.cka?.debiased === null) reasons.push(`cka.debiased: ${alike}, or fewer than 4 rows`)
  if (pair.rsa?.spearman === null || pair.rsa?.pearson === null)
    reasons.push('rsa: all dissimilarities of one of the sets are equal, or fewer than 3 rows')
  if (pair.rbf?.biased === null) reasons.push(`rbf: ${alike}`)
  if (pair.svcca?.mean === null) reasons.push(`svcca: ${alike}`)
  if (pair.cca === null) reasons.push('cca: a set has as many columns as rows or more, and correlations would be 1 for anything')
  if (pair.procrustes === null) reasons.push(`procrustes: ${alike}`)
  return reasons.length === 0 ? pair : { ...pair, notDefined: reasons }
}
