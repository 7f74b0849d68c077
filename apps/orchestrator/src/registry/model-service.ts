import { LayermillError } from '@layermill/core'
import type { Latest } from '@layermill/contracts'
import type { ManualChange, ModelDetail, ModelSummary } from './registry.js'

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

const missing = (): never => {
  throw new LayermillError('REGISTRY_MISSING', 'no registry of models is configured', {
    hint: 'give one with --registry DEST or LAYERMILL_REGISTRY: a folder or s3://bucket/prefix',
  })
}

/** Model service without a registry: answers every question with `REGISTRY_MISSING`. */
export function noModels(): ModelService {
  return { list: async () => missing(), get: async () => missing(), promote: async () => missing(), rollback: async () => missing() }
}

/** @throws LayermillError `REGISTRY_MISSING` where nothing is given and `LAYERMILL_REGISTRY` is not set */
export function requireRegistry(root: string | undefined): string {
  return root ?? missing()
}
