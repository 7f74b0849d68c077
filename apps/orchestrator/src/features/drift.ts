import {
  columnDeviations,
  columnMeans,
  type Drift,
  driftTest,
  fitComponents,
  onComponents,
  type Matrix,
  type MatrixProduct,
  sourceOf,
  spreadOver,
  spreadRows,
  takeRows,
} from '@layermill/analysis'
import { LayermillError } from '@layermill/core'
import type { FeatureSet } from './feature-set.js'
import { featureRows } from './rows.js'

/** Rows of each side, spread evenly: a test of a server's process takes some tenths of a second. */
const rowsASide = 300
const permutations = 499
/** Fewest rows of each side for which a test says anything. */
const fewestRows = 20

/**
 * Drift of a run's features against those of a reference, on 300 rows of each: maximum mean discrepancy of 50 components, as they are and
 * standardised, the smaller p doubled.
 * @throws LayermillError `ROW_INVALID` where rows have other numbers of columns, or there are fewer than 20; as the runs' files do
 */
export async function runDrift(fresh: FeatureSet, reference: FeatureSet, product: MatrixProduct, seed: string): Promise<Drift> {
  const [{ source: rows }, { source: old }] = [await featureRows(fresh), await featureRows(reference)]
  if (rows.columns !== old.columns) {
    throw new LayermillError(
      'ROW_INVALID',
      `${reference.store.url}: ${reference.place.layer} has ${old.columns} numbers, ${rows.columns} in ${fresh.store.url}`,
    )
  }
  const [a, b] = [await spreadRows(old, rowsASide), await spreadRows(rows, rowsASide)]
  if (a.rows < fewestRows || b.rows < fewestRows)
    throw new LayermillError('ROW_INVALID', `drift of ${b.rows} images against ${a.rows}, expected at least ${fewestRows} of each`)
  const fit = await fitComponents(sourceOf(a), product, undefined, rowsASide)
  const reduced = async (rows: Matrix): Promise<Matrix> =>
    takeRows(await onComponents(sourceOf(rows), fit, product), spreadOver(rows.rows, rowsASide))
  const [before, after] = [await reduced(a), await reduced(b)]
  const deviations = await columnDeviations(sourceOf(before), await columnMeans(sourceOf(before)))
  return driftTest(before, after, deviations, { product, permutations, seed })
}
