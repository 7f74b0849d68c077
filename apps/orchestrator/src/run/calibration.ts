import {
  calibrationPath,
  type FoundCalibration,
  parseCalibration,
  type PrecisionChoice,
  type RunRecord,
  serializeCalibration,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { RunAction } from './decide.js'
import type { RunEnvironment } from './environment.js'

/** A new run's record and its `calibration.json`, which is written before the record names it. */
export interface CalibratedRun {
  readonly record: RunRecord
  readonly file: string | undefined
}

const asksAuto = ({ spec }: RunRecord): boolean => spec.kind !== 'finetune' && spec.precision === 'auto'

/** The record with precision and ranges of the run that is there, so that the two are told apart by what was asked for. */
export function withCalibrationOf(record: RunRecord, existing: RunRecord | undefined): RunRecord {
  if (existing === undefined) return record
  const { calibration, precision } = existing.identity
  const taken = asksAuto(record) && precision === 'int8' ? { ...record.identity, precision } : record.identity
  if (taken.precision !== 'int8' || calibration === undefined) return record
  return { ...record, identity: { ...taken, calibration } }
}

/** An int8 run's record and file. */
function withRanges(record: RunRecord, { calibration, report }: FoundCalibration): CalibratedRun {
  const { text, sha256 } = serializeCalibration(calibration)
  return {
    record: { ...record, identity: { ...record.identity, precision: 'int8', calibration: sha256 }, calibration: report },
    file: text,
  }
}

async function calibrated(record: RunRecord, environment: RunEnvironment, signal: AbortSignal | undefined): Promise<CalibratedRun> {
  if (environment.calibrate === undefined)
    throw new LayermillError('PRECISION_UNAVAILABLE', '--precision int8 needs an engine where the run is started')
  await using source = await environment.openSource(record.spec.source, record.spec)
  return withRanges(record, await environment.calibrate(record, source, signal))
}

/** Precision of a run with `auto`. Workers with other devices than the CPU would refuse int8. */
async function chosen(record: RunRecord, environment: RunEnvironment, signal: AbortSignal | undefined): Promise<CalibratedRun> {
  const float = (precisionChoice: PrecisionChoice): CalibratedRun => {
    const { calibration: _calibration, ...identity } = record.identity
    return { record: { ...record, identity: { ...identity, precision: 'fp32' }, precisionChoice }, file: undefined }
  }
  const exact = (reason: string): CalibratedRun => float({ chosen: 'fp32', reason })
  if (environment.choosePrecision === undefined) return exact('no engine is at hand to try int8 with')
  const others = record.spec.device === 'cpu' ? [] : ((await environment.workers?.()) ?? []).filter(({ device }) => device !== 'cpu')
  if (others.length > 0) return exact(`int8 is computed on the CPU, and a worker has ${others[0]!.device}`)
  await using source = await environment.openSource(record.spec.source, record.spec)
  const { choice, found } = await environment.choosePrecision(record, source, signal)
  if (found === undefined) return float(choice)
  const ranges = withRanges(record, found)
  return { ...ranges, record: { ...ranges.record, precisionChoice: choice } }
}

/**
 * Sees to a run's precision where it was left open, and to an int8 run's ranges: new ones for a new run and for another version of its
 * model; for all else those that are there.
 * @throws LayermillError `CALIBRATION_INVALID` where they are gone or others; what calibrating throws
 */
export async function calibrateFor(
  action: RunAction,
  record: RunRecord,
  { store, environment, signal }: { store: Store; environment: RunEnvironment; signal: AbortSignal | undefined },
): Promise<CalibratedRun> {
  const { precision, calibration } = record.identity
  const isNew = action === 'create' || action === 'replace' || action === 'renew'
  if (isNew && asksAuto(record)) return chosen(record, environment, signal)
  if (precision !== 'int8') return { record, file: undefined }
  if (isNew) return calibrated(record, environment, signal)
  parseCalibration(await store.get(calibrationPath), calibration ?? '', store.url)
  return { record, file: undefined }
}

/** Writes `calibration.json`, where there is a new one. */
export async function writeCalibration(store: Store, { file }: CalibratedRun): Promise<void> {
  if (file !== undefined) await store.put(calibrationPath, file, { contentType: 'application/json' })
}
