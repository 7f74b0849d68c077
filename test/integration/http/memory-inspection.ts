import { LayermillError } from '@layermill/core'
import type { InspectionService } from '@layermill/contracts'

const none = (): Promise<never> => Promise.reject(new LayermillError('NOT_RECORDED', 'The run has written nothing'))

/** Results of runs that have none, for tests of the HTTP side. */
export const emptyInspection: InspectionService = {
  parts: () => Promise.resolve({ committed: [], withErrors: [] }),
  failures: () => Promise.resolve({ failures: [] }),
  thumbnail: none,
  evaluation: none,
  projection: none,
  neighbours: none,
}
