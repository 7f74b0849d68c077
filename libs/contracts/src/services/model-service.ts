import type { HistoryEntry, Latest } from '../registry/records.js'
import type { ModelDetail, ModelSummary } from '../api/model-types.js'

/** A change of a latest version by hand. */
export interface ManualChange {
  readonly by: string
  readonly reason?: string | undefined
  /** Change only where this version is the latest. */
  readonly from?: number | undefined
}

/** Model and version that became latest, for those who are told of it. */
export interface Promotion {
  readonly name: string
  readonly entry: HistoryEntry
}

/** Questions and changes that the HTTP side sends to the registry. */
export interface ModelService {
  list(): Promise<ModelSummary[]>
  /** @throws LayermillError `MODEL_NOT_REGISTERED` */
  get(name: string): Promise<ModelDetail>
  /** @throws LayermillError `MODEL_NOT_REGISTERED`, `REGISTRY_CONFLICT`, `REGISTRY_BUSY` */
  promote(name: string, version: number, change: ManualChange): Promise<Latest>
  /** @throws LayermillError `MODEL_NOT_REGISTERED`, `ROLLBACK_IMPOSSIBLE`, `REGISTRY_CONFLICT`, `REGISTRY_BUSY` */
  rollback(name: string, change: ManualChange): Promise<Latest>
}
