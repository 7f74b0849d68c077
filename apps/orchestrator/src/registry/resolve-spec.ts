import { parseModelReference, requireRegistry, type RunService, type RunSpec } from '@layermill/contracts'
import { preparedRuns } from './prepared-runs.js'
import type { ModelRegistry } from './registry.js'

/**
 * A spec whose model is a fixed version, so that all who work on the run load the same one: `pets@latest` becomes the URL of the version
 * that is the latest now. Models to be registered go to this registry where the spec names no other.
 * @throws LayermillError `REGISTRY_MISSING`, `MODEL_NOT_REGISTERED`
 */
export async function resolveSpec<Spec extends RunSpec>(spec: Spec, registry: ModelRegistry | undefined): Promise<Spec> {
  const reference = parseModelReference(spec.model)
  const root = registry?.store.url
  const model =
    reference === undefined ? spec.model : registry === undefined ? requireRegistry(undefined) : await registry.resolve(reference)
  if (spec.kind !== 'finetune' || spec.register === undefined) return { ...spec, model }
  return { ...spec, model, register: { ...spec.register, root: requireRegistry(spec.register.root ?? root) } }
}

/** Runs whose specs may name registered models. */
export function resolvingRuns(runs: RunService, registry: ModelRegistry | undefined): RunService {
  return preparedRuns(runs, spec => resolveSpec(spec, registry))
}
