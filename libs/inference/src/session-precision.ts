import { calibrationPath, parseCalibration, type RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { SessionPrecision } from './model-provider.js'

/**
 * Precision of a run's sessions. An int8 run's ranges come from its store. Undefined stands for float32.
 * @throws LayermillError `CALIBRATION_INVALID` where the file is not the one that the run was started with
 */
export async function readSessionPrecision(store: Store, { identity }: RunRecord): Promise<SessionPrecision | undefined> {
  if (identity.precision === 'fp16') return 'fp16'
  if (identity.precision !== 'int8') return undefined
  const { calibration: sha256 } = identity
  if (sha256 === undefined)
    throw new LayermillError('CALIBRATION_INVALID', `${store.url}/run.json names no calibration, and its precision is int8`)
  const { ranges, float32 } = parseCalibration(await store.get(calibrationPath), sha256, store.url)
  return { sha256, ranges: new Map(Object.entries(ranges)), ...(float32 === undefined ? {} : { exactLayers: new Set(float32) }) }
}
