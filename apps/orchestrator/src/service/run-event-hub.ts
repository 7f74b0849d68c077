import { queueNames } from '@layermill/contracts'
import type { Broker, JobEvents } from '@layermill/queue'

/** Event of a run's job: a report of progress, or something that changes its state. */
export type RunSignal = { readonly kind: 'progress'; readonly data: unknown } | { readonly kind: 'changed' }

type Listener = (signal: RunSignal) => void

/** The events of the runs queue, one connection for all who listen. */
export class RunEventHub {
  private readonly listeners = new Map<string, Set<Listener>>()
  private events: JobEvents | undefined

  constructor(private readonly broker: Broker) {}

  /** Calls the listener for every event of the run from when this resolves until the returned function is called. */
  async subscribe(id: string, listener: Listener): Promise<() => void> {
    const listeners = this.listeners.get(id) ?? new Set()
    this.listeners.set(id, listeners.add(listener))
    const leave = (): void => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.listeners.get(id) === listeners) this.listeners.delete(id)
    }
    try {
      this.events ??= this.open()
      await this.events.waitUntilReady()
    } catch (error) {
      leave()
      throw error
    }
    return leave
  }

  async close(): Promise<void> {
    await this.events?.close()
  }

  private open(): JobEvents {
    const events = this.broker.events(queueNames.runs)
    const tell = (id: string, signal: RunSignal): void => this.listeners.get(id)?.forEach(listener => listener(signal))
    events.on('progress', ({ jobId, data }) => tell(jobId, { kind: 'progress', data }))
    const changed = ({ jobId }: { jobId: string }): void => tell(jobId, { kind: 'changed' })
    events.on('active', changed)
    events.on('completed', changed)
    events.on('failed', changed)
    events.on('removed', changed)
    return events
  }
}
