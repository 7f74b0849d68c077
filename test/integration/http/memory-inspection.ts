import { LayermillError } from '@layermill/core'
import type { AnalysisService, InspectionService, TryService } from '@layermill/contracts'

const none = (): Promise<never> => Promise.reject(new LayermillError('NOT_RECORDED', 'The run has written nothing'))

/** Results of runs that have none, for tests of the HTTP side. */
export const emptyInspection: InspectionService = {
  parts: () => Promise.resolve({ committed: [], withErrors: [] }),
  failures: () => Promise.resolve({ failures: [] }),
  images: none,
  layers: none,
  predictions: none,
  thumbnail: none,
  evaluation: none,
  projection: none,
  map: none,
  activations: none,
  differences: none,
  neighbours: none,
  audit: none,
  judge: none,
  comparison: none,
}

/** A server whose runs have nothing to analyse. */
export const noAnalyses: AnalysisService = { start: none, cancel: none, list: () => Promise.resolve([]) }

/** A model that takes every picture for a cat, with as many bytes as it has. */
export const catsOnly: TryService = {
  model: (name, _version, { image }) =>
    Promise.resolve({ network: `${name} ${image.byteLength}`, classes: [{ label: 'cat', probability: 1 }], seconds: 0 }),
  run: none,
}
