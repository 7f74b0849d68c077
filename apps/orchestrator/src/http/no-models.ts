import { type ModelService, requireRegistry } from '@layermill/contracts'

/** Model service without a registry: answers every question with `REGISTRY_MISSING`. */
export function noModels(): ModelService {
  const missing = async (): Promise<never> => requireRegistry(undefined) as never
  return { list: missing, get: missing, promote: missing, rollback: missing }
}
