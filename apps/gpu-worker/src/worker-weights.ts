import type { RunRecord } from '@layermill/contracts'
import type { WeightSet } from '@layermill/weights'
import type { FleetWeights, LoadFleetWeights } from '@layermill/inference'

const mark = 'fleet:'

/**
 * A run's weights as a worker asks for them: by their hash and that of their classes' names, which may lie beside a graph and change
 * without it, with what the run's spec names in reserve.
 */
export function weightsOfRun({ identity, spec }: RunRecord): string {
  const names = identity.labels === undefined ? '' : `.${identity.labels}`
  return `${mark}${identity.weights}${names}:${spec.weights}`
}

/** Loads what `weightsOfRun` names: from the fleet's store, or where that has none from where the spec says. */
export function workerWeights(fleet: FleetWeights | undefined, load: LoadFleetWeights): LoadFleetWeights {
  const parts = (source: string): string[] => /^fleet:([0-9a-f]+)(?:\.[0-9a-f]+)?:(.*)$/s.exec(source) ?? []
  const weights = async (model: string, source: string): Promise<WeightSet> => {
    const [, sha256 = '', rest = source] = parts(source)
    const found = sha256 === '' ? undefined : await fleet?.obtain(model, sha256)
    return found ?? load(model, rest)
  }
  const graph = async (source: string): Promise<string | undefined> => {
    const [, sha256 = ''] = parts(source)
    return sha256 === '' ? undefined : fleet?.obtainGraph(sha256)
  }
  return Object.assign(weights, { graph, ...(load.options === undefined ? {} : { options: load.options }) })
}
