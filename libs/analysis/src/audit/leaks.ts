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
  /** Training rows of the class of a held-out row: more than so many neighbours are not expected to be near. Default: ten. */
  readonly alike?: (heldOut: number) => number
}

/** Fewer neighbours than this tell nothing of how near rows of a class are to each other: the same features alone are the same then. */
const fewestNeighbours = 3

/**
 * Training rows that are nearly held-out ones: nearer to one than a share of the distance of that one's tenth neighbour in the training set,
 * or of as many as its class has there. Seen from the held-out rows: the training set is the crowd that natural distances are measured in,
 * whereas a few held-out rows are far from each other, and far from most training rows.
 */
export async function nearLeaks(heldOut: RowSource, training: RowSource, rule: LeakRule): Promise<NearLeak[]> {
  const { ratio: limit = nearDuplicateRatio, alike = () => referenceNeighbour } = rule
  const { count, places, distances } = await nearestNeighbours(heldOut, { ...rule, count: referenceNeighbour }, training)
  const leaks: NearLeak[] = []
  for (let row = 0; row < heldOut.rows; row++) {
    const reference = Math.min(count, referenceNeighbour, alike(row))
    const far = reference < fewestNeighbours ? 0 : distances[row * count + reference - 1]!
    for (let at = row * count; at < (row + 1) * count; at++) {
      const ratio = distances[at]! === 0 ? 0 : distances[at]! / far
      if (ratio < limit) leaks.push({ heldOut: row, training: places[at]!, ratio })
    }
  }
  return leaks
}
