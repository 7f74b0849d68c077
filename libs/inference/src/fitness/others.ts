import type { WorkerBeat } from '@layermill/contracts'
import { type Broker, liveWorkers } from '@layermill/queue'

/** Lists are read from the queue at most so often, in milliseconds. */
const listInterval = 2000

/** Other workers of a queue that can take parts of a run just now, by their heartbeats. */
export class OtherWorkers {
  private listed: { readonly time: number; readonly beats: Promise<readonly WorkerBeat[]> } | undefined

  constructor(
    private readonly broker: Broker,
    private readonly self: string,
  ) {}

  async fitFor(run: string): Promise<string[]> {
    const beats = await this.beats()
    return beats
      .filter(
        ({ id, state, unfit = [] }) =>
          id !== this.self && state !== 'draining' && !unfit.some(entry => entry.run === run && entry.job === undefined),
      )
      .map(({ id }) => id)
  }

  private beats(): Promise<readonly WorkerBeat[]> {
    const now = performance.now()
    if (this.listed !== undefined && now - this.listed.time < listInterval) return this.listed.beats
    const beats = liveWorkers(this.broker)
    this.listed = { time: now, beats }
    beats.catch(() => {
      this.listed = undefined
    })
    return beats
  }
}
