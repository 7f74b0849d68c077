import { calibrationPath, parseCalibration, type RunRecord, serializeCalibration } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { RunAction } from './decide.js'
import type { RunEnvironment } from './environment.js'

/** A new run's record and its `calibration.json`, which is written before the record names it. */
export interface CalibratedRun {
  readonly record: RunRecord
  readonly file: string | undefined
}

/** The record with the ranges of the run that is there, so that the two are told apart by what was asked for. */
export function withCalibrationOf(record: RunRecord, existing: RunRecord | undefined): RunRecord {
  const calibration = existing?.identity.calibration
  if (record.identity.precision !== 'int8' || calibration === undefined) return record
  return { ...record, identity: { ...record.identity, calibration } }
}

async function calibrated(record: RunRecord, environment: RunEnvironment, signal: AbortSignal | undefined): Promise<CalibratedRun> {
  if (environment.calibrate === undefined)
    throw new LayermillError('PRECISION_UNAVAILABLE', '--precision int8 needs an engine where the run is started')
  await using source = await environment.openSource(record.spec.source, record.spec)
  const { calibration, report } = await environment.calibrate(record, source, signal)
  const { text, sha256 } = serializeCalibration(calibration)
  return { record: { ...record, identity: { ...record.identity, calibration: sha256 }, calibration: report }, file: text }
}

/**
 * Sees to an int8 run's ranges: new ones for a new run and for another version of its model; for all else those that are there.
 * @throws LayermillError `CALIBRATION_INVALID` where they are gone or others; what calibrating throws
 */
export async function calibrateFor(
  action: RunAction,
  record: RunRecord,
  { store, environment, signal }: { store: Store; environment: RunEnvironment; signal: AbortSignal | undefined },
): Promise<CalibratedRun> {
  const { precision, calibration } = record.identity
  if (precision !== 'int8') return { record, file: undefined }
  if (action === 'create' || action === 'replace' || action === 'renew') return calibrated(record, environment, signal)
  parseCalibration(await store.get(calibrationPath), calibration ?? '', store.url)
  return { record, file: undefined }
}

/** Writes `calibration.json`, where there is a new one. */
export async function writeCalibration(store: Store, { file }: CalibratedRun): Promise<void> {
  if (file !== undefined) await store.put(calibrationPath, file, { contentType: 'application/json' })
}
