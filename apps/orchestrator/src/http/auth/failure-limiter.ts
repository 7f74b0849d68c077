import { isIPv6 } from 'node:net'
import { LruMap } from 'toad-cache'

export interface FailureLimits {
  /** Failures of one address within the window, from which on it is refused. Default 20. */
  failures?: number
  /** Milliseconds. Default one minute. */
  window?: number
  /** Addresses that are remembered; those not seen for longest are forgotten first. Default 10,000. */
  addresses?: number
  now?: () => number
}

interface Failures {
  count: number
  /** When the window of the first failure ends. */
  readonly until: number
}

/** One customer of an IPv6 network has at least a /64, so single addresses mean nothing there. */
function network(address: string): string {
  if (!isIPv6(address) || /^::ffff:\d+\./i.test(address)) return address
  const [head = '', tail = ''] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = address.includes('::') ? Array.from({ length: 8 - before.length - after.length }, () => '0') : []
  return [...before, ...zeros, ...after].slice(0, 4).join(':')
}

/** Counts failed attempts by address, in bounded memory. */
export class FailureLimiter {
  private readonly failures: LruMap<Failures>
  private readonly most: number
  private readonly window: number
  private readonly now: () => number

  constructor({ failures = 20, window = 60_000, addresses = 10_000, now = Date.now }: FailureLimits = {}) {
    this.failures = new LruMap(addresses)
    this.most = failures
    this.window = window
    this.now = now
  }

  /** Seconds until this address may try again; 0 where it may now. */
  blockedFor(address: string): number {
    const entry = this.failures.get(network(address))
    if (entry === undefined || entry.count < this.most) return 0
    return Math.max(0, Math.ceil((entry.until - this.now()) / 1000))
  }

  record(address: string): void {
    const key = network(address)
    const entry = this.failures.get(key)
    if (entry !== undefined && entry.until > this.now()) entry.count++
    else this.failures.set(key, { count: 1, until: this.now() + this.window })
  }

  /** Addresses remembered at the moment. */
  get size(): number {
    return this.failures.size
  }
}
