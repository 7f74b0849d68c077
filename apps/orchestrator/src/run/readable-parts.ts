import type { Store } from '@layermill/storage'
import { committedParts } from './commits.js'
import { readUpdatePlan } from './update-plan.js'

/**
 * The parts that hold a run's results, in order, each image in one of them. While an update replaces parts, these are the old ones until
 * all new ones are committed, then the new ones.
 */
export async function readableParts(store: Store): Promise<number[]> {
  // The plan first: it is written before the first of its parts, and deleted after the last that it retires.
  const plan = await readUpdatePlan(store)
  const committed = await committedParts(store)
  if (plan !== undefined) {
    const planned = plan.parts.map(({ part }) => part)
    const hidden = planned.every(part => committed.has(part)) ? plan.retire : planned
    for (const part of hidden) committed.delete(part)
  }
  return [...committed].sort((a, b) => a - b)
}
