import { Best } from '../features/best.js'
import { cosineTo } from '../features/metric.js'
import type { NeighbourList } from '@layermill/contracts'
import type { FeatureSample } from './sample.js'

/**
 * The rows most like one of them, by the cosine of all their numbers; the nearest first. Rows with numbers that are not finite are left
 * out.
 */
export function nearestRows({ values, dimensions, rows }: FeatureSample, point: number, top: number): NeighbourList['neighbours'] {
  const cosine = cosineTo(values.subarray(point * dimensions, (point + 1) * dimensions))
  const best = new Best<NeighbourList['neighbours'][number]>(top, (a, b) => b.similarity - a.similarity || a.point - b.point)
  for (let row = 0; row < rows.length; row++) {
    const similarity = row === point ? Number.NaN : cosine(values, row * dimensions)
    if (!Number.isNaN(similarity)) best.add({ point: row, similarity })
  }
  return best.list()
}
