import { type Matrix, matrix, type MatrixProduct, type Predictivity, ridgePredictivity } from '@layermill/analysis'
import type { NamedSet } from './feature-sets.js'
import type { Journal } from './journal.js'
import type { ScaledSet } from './scale.js'

/** How well a set predicts a matrix of targets, over its columns. */
export interface SetPredictivity {
  readonly set: string
  readonly targets: string
  /** Null where no target varies. */
  readonly r2: { readonly mean: number | null; readonly median: number | null }
  readonly pearson: { readonly mean: number | null; readonly median: number | null }
  readonly penalties: readonly number[]
  /** Of each target. */
  readonly columns: Pick<Predictivity, 'r2' | 'pearson'>
}

function summary(values: readonly (number | null)[]): { mean: number | null; median: number | null } {
  const known = values.filter(value => value !== null).sort((a, b) => a - b)
  if (known.length === 0) return { mean: null, median: null }
  const middle = (known[Math.floor((known.length - 1) / 2)]! + known[Math.floor(known.length / 2)]!) / 2
  return { mean: known.reduce((sum, value) => sum + value, 0) / known.length, median: middle }
}

export interface PredictivityOptions {
  readonly product: MatrixProduct
  readonly folds: number
  readonly penalties?: readonly number[] | undefined
  readonly seed: string
  readonly journal: Journal
  readonly signal: AbortSignal
  readonly onProgress: (step: string, done: number, total: number) => void
}

/** Ridge regression from each set to the targets, one set after the other. */
export async function predictTargets(
  sets: readonly ScaledSet[],
  targets: NamedSet,
  { journal, onProgress, penalties: given, ...options }: PredictivityOptions,
): Promise<SetPredictivity[]> {
  const { rows, columns } = targets.source
  const values: Matrix = matrix(rows, columns, (await targets.source.read(0, rows)).slice())
  const results: SetPredictivity[] = []
  for (const [i, { name, source, scale }] of sets.entries()) {
    // Penalties are absolute: those of features divided by a scale are divided by its square.
    const penalties = given?.map(penalty => penalty / scale / scale)
    const found = journal.get<Predictivity>('predictivity', i) ?? (await ridgePredictivity(source, values, { ...options, penalties }))
    await journal.set('predictivity', i, found)
    const { penalties: chosen, ...each } = found
    const own = chosen.map(penalty => given?.[penalties!.indexOf(penalty)] ?? penalty * scale * scale)
    results.push({ set: name, targets: targets.name, r2: summary(each.r2), pearson: summary(each.pearson), penalties: own, columns: each })
    onProgress('predictivity', i + 1, sets.length)
  }
  return results
}
