import { Best, cosineTo } from '@layermill/orchestrator/features'

/** Features of one image. */
export interface Features {
  readonly path: string
  readonly values: Float32Array
}

export interface Nearest {
  readonly path: string
  readonly score: number
}

/** Rows without their mean: what is common to all images would drown what sets them apart. */
function centred(rows: readonly Features[]): Float32Array[] {
  const length = rows[0]?.values.length ?? 0
  const mean = new Float64Array(length)
  for (const { values } of rows) for (let i = 0; i < length; i++) mean[i]! += values[i]! / rows.length
  return rows.map(({ values }) => values.map((value, i) => value - mean[i]!))
}

/** For each image, the `count` others with the most similar features (cosine after subtracting the mean), most similar first. */
export function nearestImages(rows: readonly Features[], count: number): Nearest[][] {
  const vectors = centred(rows)
  return vectors.map((vector, i) => {
    const cosine = cosineTo(vector)
    const best = new Best<Nearest>(count, (a, b) => b.score - a.score)
    for (const [j, { path }] of rows.entries()) if (j !== i) best.add({ path, score: cosine(vectors[j]!, 0) })
    return best.list()
  })
}
