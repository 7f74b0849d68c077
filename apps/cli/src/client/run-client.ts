import type { FleetService, RunService, RunSummary } from '@layermill/contracts'

/** Runs of a fleet as the command reaches them: through a queue or a server. */
export interface RunClient extends Pick<RunService, 'submit' | 'plan' | 'list' | 'get' | 'cancel' | 'pause' | 'resume' | 'events'> {
  /** The flag that reaches the same fleet, for people to copy; without credentials. */
  readonly flag: string
  /** Operations that apply to all workers. */
  readonly fleet: Pick<FleetService, 'pause' | 'resume' | 'state'>
  /** Goes on with the run at a store, also where the queue has forgotten it. */
  resumeStore(url: string): Promise<RunSummary>
  close(): Promise<void>
}
