import { stat } from 'node:fs/promises'
import type { RunSpec } from '@layermill/contracts'
import { classify, LayermillError } from '@layermill/core'
import { networkIds } from '@layermill/models'
import type { RunEnvironment } from '../run/environment.js'

const isLocal = (place: string): boolean => !/^[a-z][a-z0-9+.-]*:/i.test(place)

async function mustExist(path: string, code: 'WEIGHTS_NOT_FOUND' | 'MODEL_UNKNOWN', what: string): Promise<void> {
  await stat(path).catch((cause: unknown) => {
    throw new LayermillError(code, `${what}: ${path} does not exist`, { cause })
  })
}

/**
 * Refuses what cannot pass whenever it is tried: a source, weights or a model that are not there.
 * @throws LayermillError `SOURCE_MISSING`, `SOURCE_DENIED` and others of the source; `WEIGHTS_NOT_FOUND`, `MODEL_UNKNOWN`
 */
export async function checkReachable(spec: RunSpec, environment: Pick<RunEnvironment, 'openSource'>): Promise<void> {
  const { weights, model } = spec
  if (weights.includes('/') && isLocal(weights)) await mustExist(weights, 'WEIGHTS_NOT_FOUND', 'weights')
  if (!networkIds.includes(model) && model.includes('/') && isLocal(model)) await mustExist(model, 'MODEL_UNKNOWN', 'model')
  try {
    await (await environment.openSource(spec.source, spec)).close()
  } catch (error) {
    // A place that failed to open for a passing cause is tried again when the run is carried out.
    if (classify(error).retry === 'never') throw error
  }
}
