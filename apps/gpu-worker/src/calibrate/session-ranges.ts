import { parseCalibration, type RunRecord } from '@layermill/jobs'
import { LayermillError } from '@layermill/models'
import { CALIBRATION_PATH, type Store } from '@layermill/storage'
import type { SessionRanges } from '../model-provider.js'

/**
 * What an int8 run's sessions compute with, from its store; undefined for other runs.
 * @throws LayermillError `CALIBRATION_INVALID` where the file is not the one that the run was started with
 */
export async function readSessionRanges(store: Store, { identity }: RunRecord): Promise<SessionRanges | undefined> {
  if (identity.precision !== 'int8') return undefined
  const { calibration: sha256 } = identity
  if (sha256 === undefined) throw new LayermillError('CALIBRATION_INVALID', `${store.url}/run.json names no calibration, and its precision is int8`)
  const { ranges } = parseCalibration(await store.get(CALIBRATION_PATH), sha256, store.url)
  return { sha256, ranges: new Map(Object.entries(ranges)) }
}
