import type { Matrix, MatrixProduct, Rows } from '../matrix/matrix.js'
import { readRows, rowBlocks, type RowSource, sourceOf } from '../matrix/row-source.js'
import { fitPca, type Pca, pcaProjector } from '../reduce/pca.js'

/** Components that classifiers, outliers and drift look at. */
export const auditComponentCount = 50
/** Rows that components are fitted to where rows are long: their Gram matrix is small then. */
const defaultSample = 1000

/** Places of rows spread evenly, at most so many. */
export const spreadOver = (rows: number, most: number): number[] =>
  Array.from({ length: Math.min(most, rows) }, (_, i) => Math.floor((i * rows) / Math.min(most, rows)))

/** Rows spread evenly over a source, at most so many. */
export const spreadRows = (source: RowSource, most: number): Promise<Matrix> => readRows(source, spreadOver(source.rows, most))

/** Principal components of features. */
export type AuditComponents = Pick<Pca, 'mean' | 'components' | 'explainedVariance'>

/**
 * The first 50 principal components of features.
 * @param sampleCount rows that they are fitted to where a row has more numbers; else all rows
 */
export async function fitComponents(
  source: RowSource,
  product: MatrixProduct,
  signal?: AbortSignal,
  sampleCount: number = defaultSample,
): Promise<AuditComponents> {
  const sample = source.columns > sampleCount ? sourceOf(await spreadRows(source, sampleCount)) : source
  return fitPca(sample, { product, components: auditComponentCount, ...(signal === undefined ? {} : { signal }) })
}

/** Rows on components, all divided by the deviation of the first. They are kept in float32: 200 bytes a row. */
export async function onComponents(rows: RowSource, fit: AuditComponents, product: MatrixProduct, signal?: AbortSignal): Promise<Rows> {
  const projector = pcaProjector(fit, product)
  const count = fit.components.rows
  const scale = 1 / Math.sqrt(fit.explainedVariance[0] ?? 1)
  const result = new Float32Array(rows.rows * count)
  for await (const { start, count: block, values } of rowBlocks(rows)) {
    signal?.throwIfAborted()
    const projected = await projector.project(values, block)
    for (let at = 0, to = start * count; at < projected.length; at++, to++) result[to] = projected[at]! * scale
  }
  return { rows: rows.rows, columns: count, data: result }
}
