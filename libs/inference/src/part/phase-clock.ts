import { phaseNames, type PhaseName, type PhaseSeconds } from '@layermill/contracts'

interface Watch {
  running: number
  since: number
  total: number
}

/** Names of what is timed: the phases, and any work at all. */
const timed = [...phaseNames, 'all'] as const

/**
 * Busy time of one worker in the phases of one run's parts: how long at least one image was in a phase, however many were at once and of
 * however many parts. A phase that is busy all the time bounds the others.
 */
export class PhaseClock {
  private readonly watches = new Map<PhaseName | 'all', Watch>(timed.map(name => [name, { running: 0, since: 0, total: 0 }]))

  /** @param now milliseconds of a clock that never goes back */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Does some work of a phase. @throws as the work does */
  async during<Result>(phase: PhaseName | 'all', work: () => Promise<Result>): Promise<Result> {
    this.start(phase)
    try {
      return await work()
    } finally {
      this.stop(phase)
    }
  }

  start(phase: PhaseName | 'all'): void {
    const watch = this.watches.get(phase)!
    if (watch.running++ === 0) watch.since = this.now()
  }

  stop(phase: PhaseName | 'all'): void {
    const watch = this.watches.get(phase)!
    if (--watch.running === 0) watch.total += this.now() - watch.since
  }

  /** Seconds since the last time that they were taken, phases under way included. */
  take(): PhaseSeconds {
    const now = this.now()
    const seconds = (name: PhaseName | 'all'): number => {
      const watch = this.watches.get(name)!
      const total = watch.total + (watch.running > 0 ? now - watch.since : 0)
      watch.total = 0
      watch.since = now
      return Math.round(total * 1000) / 1e6
    }
    const exchange = seconds('exchange')
    return {
      read: seconds('read'),
      decode: seconds('decode'),
      compute: seconds('compute'),
      ...(exchange > 0 ? { exchange } : {}),
      write: seconds('write'),
      all: seconds('all'),
    }
  }
}
