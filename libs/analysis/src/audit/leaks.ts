import type { RowSource } from '../matrix/row-source.js'
import { type NeighbourOptions, nearDuplicateRatio, nearestNeighbours, referenceNeighbour } from './neighbours.js'

/** A training row that is nearly a held-out one. */
export interface NearLeak {
  readonly heldOut: number
  readonly training: number
  /** Of their distance to that of the reference neighbour: 0 for the same features. */
  readonly ratio: number
}

export interface LeakRule extends Omit<NeighbourOptions, 'count'> {
  /** Ratio of distances below which a row is nearly another. Default 0.5, as of near duplicates. */
  readonly ratio?: number
  /** Training rows of the class of a held-out row. Of fewer than ten the same features alone are the same. Default: ten. */
  readonly alike?: (heldOut: number) => number
}

/**
 * Training rows that are nearly held-out ones: nearer to one than a share of the distance to that one's tenth neighbour among them.
 * The training set is the crowd that natural distances are measured in: a few held-out rows are far from each other, and far from most
 * training rows. The tenth neighbour in a smaller class is of another class, and far: such rows have to have the same features.
 */
export async function nearLeaks(heldOut: RowSource, training: RowSource, rule: LeakRule): Promise<NearLeak[]> {
  const { ratio: limit = nearDuplicateRatio, alike = () => referenceNeighbour } = rule
  const { count, places, distances } = await nearestNeighbours(heldOut, { ...rule, count: referenceNeighbour }, training)
  const leaks: NearLeak[] = []
  for (let row = 0; row < heldOut.rows; row++) {
    const isCrowd = Math.min(count, alike(row)) >= referenceNeighbour
    const far = isCrowd ? distances[row * count + referenceNeighbour - 1]! : 0
    for (let at = row * count; at < (row + 1) * count; at++) {
      const ratio = distances[at]! === 0 ? 0 : distances[at]! / far
      if (ratio < limit) leaks.push({ heldOut: row, training: places[at]!, ratio })
    }
  }
  return leaks
}
