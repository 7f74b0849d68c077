import type { PartQueue } from '../run/part-queue.js'

/** A part queue that keeps its waiting jobs where `keep` says so: when another orchestrator goes on with the run, workers need not wait for it. */
export function lastingParts(queue: PartQueue, keep: () => boolean): PartQueue {
  return {
    adopt: () => queue.adopt(),
    add: parts => queue.add(parts),
    missing: parts => queue.missing(parts),
    again: parts => queue.again(parts),
    subscribe: listener => queue.subscribe(listener),
    removeWaiting: async () => {
      if (!keep()) await queue.removeWaiting()
    },
  }
}
