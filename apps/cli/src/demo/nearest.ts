/** Features of one image. */
export interface Features {
  readonly path: string
  readonly values: Float32Array
}

export interface Nearest {
  readonly path: string
  readonly score: number
}

/** Rows without their mean and of length one: what is common to all images would drown what sets them apart. */
function centredUnits(rows: readonly Features[]): Float64Array[] {
  const length = rows[0]?.values.length ?? 0
  const mean = new Float64Array(length)
  for (const { values } of rows) for (let i = 0; i < length; i++) mean[i]! += values[i]! / rows.length
  return rows.map(({ values }) => {
    const centred = Float64Array.from(values, (value, i) => value - mean[i]!)
    const norm = Math.hypot(...centred) || 1
    return centred.map(value => value / norm)
  })
}

/** For each image, the `count` others with the most similar features (cosine after subtracting the mean), most similar first. */
export function nearestImages(rows: readonly Features[], count: number): Nearest[][] {
  const units = centredUnits(rows)
  return units.map((unit, i) =>
    rows
      .map(({ path }, j) => ({ path, score: units[j]!.reduce((sum, value, k) => sum + value * unit[k]!, 0) }))
      .filter((_, j) => j !== i)
      .sort((a, b) => b.score - a.score)
      .slice(0, count),
  )
}
