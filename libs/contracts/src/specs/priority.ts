/** How urgent a run is beside others: parts of a higher one go first, runs of the same one share the workers. */
export const priorities = ['high', 'normal', 'low'] as const
export type RunPriority = (typeof priorities)[number]

/** Largest priority that BullMQ takes; smaller numbers go first, and 0 is none. */
const largest = 2 ** 21 - 1
/** Numbers of each priority. */
export const turnsOfPriority = Math.floor(largest / priorities.length)

const bandOf = (priority: RunPriority): number => priorities.indexOf(priority) * turnsOfPriority

/**
 * The number that a job has on its queue: jobs of a higher priority before all others, within one priority those of an earlier turn.
 * @param turn from 0; later ones than there are numbers for share the last
 */
export function queuePriority(priority: RunPriority, turn: number): number {
  return bandOf(priority) + 1 + Math.min(Math.max(0, Math.floor(turn)), turnsOfPriority - 1)
}

/** The turn that a job's number means; undefined for one of another priority. */
export function turnOf(priority: RunPriority, number: number): number | undefined {
  const turn = number - bandOf(priority) - 1
  return turn >= 0 && turn < turnsOfPriority ? turn : undefined
}
