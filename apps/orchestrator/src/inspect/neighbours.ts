import type { NeighbourList } from '../http/schemas/inspection.js'
import type { FeatureSample } from './sample.js'

/** The rows most like one of them, by the cosine of all their numbers; the nearest first. */
export function nearestRows({ values, dimensions, rows }: FeatureSample, point: number, top: number): NeighbourList['neighbours'] {
  const norm = (row: number): number => {
    let sum = 0
    for (let i = 0; i < dimensions; i++) sum += values[row * dimensions + i]! ** 2
    return Math.sqrt(sum)
  }
  const own = norm(point)
  const found = rows.map((_, row) => {
    let product = 0
    for (let i = 0; i < dimensions; i++) product += values[row * dimensions + i]! * values[point * dimensions + i]!
    const length = own * norm(row)
    return { point: row, similarity: length > 0 ? product / length : 0 }
  })
  return found.filter(({ point: row }) => row !== point).toSorted((a, b) => b.similarity - a.similarity || a.point - b.point).slice(0, top)
}
