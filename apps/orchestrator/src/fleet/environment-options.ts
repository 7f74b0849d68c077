import type { FleetWeights, LoadFleetWeights } from '@layermill/inference'
import type { openSource } from '@layermill/storage'

export type OpenSource = typeof openSource

/** How an orchestrator of a fleet reaches what specs name. */
export interface FleetEnvironmentOptions {
  readonly weights: FleetWeights | undefined
  readonly load: LoadFleetWeights
  /** Default: any source. */
  readonly openSource?: OpenSource
  readonly note: (text: string) => void
  /** Milliseconds for which all workers may be unfit for a run before it fails. */
  readonly unfitDeadline?: number | undefined
}
