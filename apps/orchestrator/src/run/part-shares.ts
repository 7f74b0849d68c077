import { queuePriority, type RunPriority, turnOf } from '@layermill/contracts'
import type { JobQueue } from '@layermill/queue'

/** Calls of a queue that tell whose turn it is. */
export type SharedQueue = Pick<JobQueue<unknown>, 'getJobs' | 'getJobCounts'>

/** The numbers that jobs wait with, in the order in which they are taken. */
async function numberAt(queue: SharedQueue, rank: number): Promise<number | undefined> {
  const [job] = await queue.getJobs(['prioritized'], rank, rank, true)
  return job?.priority ?? job?.opts.priority
}

/**
 * The first turn of a priority among the jobs that wait, or undefined where none of it waits. Jobs wait in the order of their numbers, so
 * that a search by halves finds it behind any number of more urgent ones.
 */
export async function firstTurn(queue: SharedQueue, priority: RunPriority): Promise<number | undefined> {
  const first = await numberAt(queue, 0)
  if (first === undefined || turnOf(priority, first) !== undefined) return first === undefined ? undefined : turnOf(priority, first)
  if (first > queuePriority(priority, 0)) return undefined
  let before = 0
  let after = (await queue.getJobCounts('prioritized'))['prioritized'] ?? 0
  let found: number | undefined
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    const number = await numberAt(queue, middle)
    if (number !== undefined && number < queuePriority(priority, 0)) before = middle
    else {
      after = middle
      found = number ?? found
    }
  }
  return found === undefined ? undefined : turnOf(priority, found)
}

/**
 * One run's share of the workers, by start-time fair queueing: each part gets the turn after the one before it, and a run that begins gets
 * the turn that is being served. So runs of one priority take turns whatever they have queued, and a small one does not wait for a
 * large one's backlog. Turns come from what waits on the queue: orchestrators need not know each other.
 * Source: Goyal, Vin, Cheng: Start-time Fair Queueing (1996).
 */
export class PartShares {
  private next = 0

  constructor(
    private readonly queue: SharedQueue,
    readonly priority: RunPriority,
  ) {}

  /**
   * Numbers for the next jobs of the run, in their order.
   * @param outstanding jobs of the run that are on the queue, waiting or under way
   */
  async take(count: number, outstanding: number): Promise<number[]> {
    const current = await firstTurn(this.queue, this.priority)
    // One before whoever is next: a run that begins goes first. A run is never further ahead than by what it has queued, where others came
    // anew.
    const start = current === undefined ? 0 : Math.min(Math.max(this.next, current - 1, 0), current + outstanding + 1)
    this.next = start + count
    return Array.from({ length: count }, (_, i) => queuePriority(this.priority, start + i))
  }
}
