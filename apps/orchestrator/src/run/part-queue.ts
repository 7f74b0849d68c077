import type { PartResult } from '@layermill/contracts'

export type PartEvent =
  | { readonly kind: 'completed'; readonly part: number; readonly result: PartResult }
  | { readonly kind: 'failed'; readonly part: number; readonly code: string; readonly message: string; readonly hint?: string }
  /** Images finished so far in a part under way. */
  | { readonly kind: 'progress'; readonly part: number; readonly result: PartResult }

/** The jobs of one run, whatever queue carries them. Events may be lost: they are hints, the store is the truth. */
export interface PartQueue {
  /**
   * Makes a fresh start of what an earlier supervision of the run left: failed jobs go, and a job that is under way now and fails is tried
   * once more, since what it met may be mended since. Called before `subscribe`, so that no event of what was
   * there before is taken for a new one.
   */
  adopt(): Promise<void>
  /** Adds one job a part; a part that is queued already is not added twice. */
  add(parts: readonly number[]): Promise<void>
  /**
   * Those of the parts that the queue no longer holds, waiting, delayed or under way. Jobs that were completed stay on it, to be counted.
   */
  missing(parts: readonly number[]): Promise<number[]>
  /** Adds parts anew that were done, or are thought to have been, and have no result; those waiting or under way stay as they are. */
  again(parts: readonly number[]): Promise<void>
  /** Takes the jobs that have not started off the queue. */
  removeWaiting(): Promise<void>
  /** Calls the listener for every event of this run's parts until the returned function is called. */
  subscribe(listener: (event: PartEvent) => void): () => void
}
