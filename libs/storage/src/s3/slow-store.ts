import { errorCode } from '@layermill/core'

/** Milliseconds without a refusal after which a store counts as well, and for which it is unwell before anybody is told. */
const quiet = 10_000
const worthTelling = 5000

/** A store's refusals that are tried again, as one stretch of time. */
export class SlowStore {
  private since = 0
  private last = -Infinity
  private what = ''

  /** A request was refused, or not answered, and is tried again. */
  refused(error: unknown, now = Date.now()): void {
    if (now - this.last > quiet) this.since = now
    this.last = now
    const known = error instanceof Error && error.name !== 'Error' ? error.name : errorCode(error)
    // The answer to a HEAD has no body to name its error: its status alone tells.
    const status = (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode
    const name = known === 'Unknown' && status !== undefined ? String(status) : known
    this.what = /slow|throttl|toomany|429|503|unavailable/i.test(name)
      ? `the store asks to slow down (${name})`
      : `the store does not answer as it should (${name})`
  }

  waits(now = Date.now()): { reason: string; since: string }[] {
    if (now - this.last > quiet || now - this.since < worthTelling) return []
    return [{ reason: this.what, since: new Date(this.since).toISOString() }]
  }
}

/** Of all stores of this process. */
export const slowStore = new SlowStore()

/** Present waits of this process for its stores: none, or why requests are tried again and since when. */
export function storeWaits(): { reason: string; since: string }[] {
  return slowStore.waits()
}
