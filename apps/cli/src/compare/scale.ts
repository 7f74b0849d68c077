import { dividedSource, type Dissimilarity, extremeScale } from '@layermill/analysis'
import type { NamedSet } from './feature-sets.js'

/** A set whose numbers are divided by a power of two. */
export interface ScaledSet extends NamedSet {
  readonly scale: number
}

/**
 * Divides sets whose squares would overflow or vanish in float64 (1e160, 1e-160) by a power of two: no measure of two sets depends on the
 * scale of either. All other sets stay as they are.
 */
export async function scaledSets(sets: readonly NamedSet[]): Promise<ScaledSet[]> {
  const scaled: ScaledSet[] = []
  for (const set of sets) {
    const scale = await extremeScale(set.source)
    scaled.push({ ...set, scale, source: dividedSource(set.source, scale) })
  }
  return scaled
}

/** Dissimilarities of a set as its own numbers have them; infinite or 0 where float64 does not hold them. */
export function unscaled(values: Float64Array, scale: number, kind: Dissimilarity): Float64Array {
  if (scale === 1 || kind === 'pearson' || kind === 'cosine') return values
  return values.map(value => (kind === 'euclidean' ? value * scale : value * scale * scale))
}
