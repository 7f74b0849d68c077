import { type PredictSpec, type RunRecord, successPath } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Network } from '@layermill/models'
import type { Store } from '@layermill/storage'
import { calibrateFor, withCalibrationOf, writeCalibration } from './calibration.js'
import { checkInference, type InferenceSpec, resultsOf } from './check-inference.js'
import { decideAction, requestedChange, type RunAction } from './decide.js'
import type { OpenedRun } from './execute.js'
import { noteUse } from './model-uses.js'
import type { RunEnvironment } from './environment.js'
import { refuseForeignFile } from './foreign-files.js'
import { runIdentity } from './identity.js'
import { choosePartSize } from './part-size.js'
import { reduceFor, withReductionOf, writeReductions } from './reduction.js'
import { deleteRun, readRunRecord, writeRunRecord } from './record-store.js'

/** How many classes there are is known when the weights are loaded. */
function checkLabels({ labels }: PredictSpec, { id, classes }: Network): void {
  if (labels === undefined || labels.length === classes) return
  throw new LayermillError(
    'SPEC_INVALID',
    `labels: got ${labels.length} names, expected ${classes}, one for each class of ${id} with these weights`,
  )
}

/**
 * The record of a run that a spec describes and that has not begun.
 * @throws LayermillError `LAYER_UNKNOWN`, `INPUT_SIZE`, `PRECISION_UNAVAILABLE`, and what loading the weights throws.
 */
export async function newRecord(
  spec: InferenceSpec,
  environment: RunEnvironment,
  id: string = environment.newId(spec.kind),
): Promise<{ record: RunRecord; network: Network }> {
  checkInference(spec)
  const { network, weightsSha256, labels } = await environment.model(spec)
  const identity = runIdentity({ spec, network, weightsSha256, labels, preparationVersion: environment.preparationVersion })
  const layers = resultsOf(spec, network)
  if (spec.kind === 'predict') checkLabels(spec, network)
  const bytesPerImage = layers.reduce((sum, layer) => sum + layer.bytesPerImage, 0)
  const record: RunRecord = {
    version: 1,
    id,
    state: 'planning',
    generation: 0,
    spec,
    identity,
    layers,
    partSize: choosePartSize(spec.partSize, bytesPerImage),
    batchSize: spec.batchSize,
    planned: false,
    counts: { images: 0, done: 0, failed: 0, parts: 0 },
    created: environment.now().toISOString(),
    versions: { ...environment.versions },
  }
  return { record, network }
}

/** A record that is made anew, with what the run at its destination was calibrated and fitted to. */
export function withFitsOf(made: RunRecord, existing: RunRecord | undefined): RunRecord {
  return withReductionOf(withCalibrationOf(made, existing), existing)
}

/**
 * Finds or makes the run that a spec means at its destination and writes its record. A finished run is left as it is unless the spec
 * asks for an update, a retry or a replacement.
 *
 * @param options `id` of a run that is made; `signal` stops the choosing of an int8 run's ranges, which takes its time: nothing is written
 * then
 * @throws LayermillError as `decideAction` and `layerResults` do; `SELF_CHECK` and `CALIBRATION_INVALID` before anything is written.
 */
export async function openRun(
  spec: InferenceSpec,
  store: Store,
  environment: RunEnvironment,
  { signal, id }: { readonly signal?: AbortSignal; readonly id?: string | undefined } = {},
): Promise<OpenedRun> {
  if (spec.kind === 'predict' && spec.out !== undefined) await refuseForeignFile(spec.out, url => environment.openStore(url))
  const { record: made, network } = await newRecord(spec, environment, id)
  const existing = await readRunRecord(store)
  const asked = withFitsOf(made, existing)
  const action = decideAction(existing, { spec, identity: asked.identity }, store.url)
  if (existing !== undefined && action === 'complete') return { record: existing, action }
  const { size } = made.identity.preparation
  const inputSize = size === 'keep' ? undefined : ([size.height, size.width] as const)
  const checks = spec.kind === 'extract' && spec.selfCheck
  const selfCheck = checks ? await environment.selfCheck?.(network, made.identity.layers, inputSize) : undefined
  const calibrated = await calibrateFor(action, asked, { store, environment, signal })
  const reduced = await reduceFor(action, calibrated.record, environment, signal)
  const fresh = reduced.record
  if (action === 'replace') await deleteRun(store)

  const opened = existing === undefined || action === 'replace' ? fresh : continued(existing, action, fresh)
  const record = selfCheck === undefined ? opened : { ...opened, selfCheck }
  await writeCalibration(store, calibrated)
  await writeReductions(store, reduced)
  // Never beside a record that is not done.
  if (existing?.state === 'done') await store.delete(successPath)
  await writeRunRecord(store, record)
  await noteUse(record, store.url, environment.now(), url => environment.openStore(url))
  return { record, action }
}

const precisionOf = ({ calibration, precisionChoice }: Pick<RunRecord, 'calibration' | 'precisionChoice'>): Partial<RunRecord> => ({
  ...(calibration === undefined ? {} : { calibration }),
  ...(precisionChoice === undefined ? {} : { precisionChoice }),
})

/** Everything of the new version, in new parts; what is there stays until those are done. */
function renewed(existing: RunRecord, { identity, layers }: RunRecord): Partial<RunRecord> {
  const replacing = { model: existing.spec.model, weights: existing.identity.weights }
  return { identity, layers, updating: 'update', replacing }
}

/** A run that goes on: what was cut stays cut as it was, while how it is computed follows the new command. */
function continued(existing: RunRecord, action: RunAction, fresh: RunRecord): RunRecord {
  const { error: _error, finished: _finished, calibration, precisionChoice, ...others } = existing
  // Another version of the model may come to another precision.
  const precision = action === 'renew' ? fresh : { calibration, precisionChoice }
  const rest = { ...others, ...precisionOf(precision) }
  const asked = requestedChange(fresh.spec)
  const stopped = existing.state === 'failed' || existing.state === 'cancelled' || action !== 'resume'
  return {
    ...rest,
    spec: fresh.spec,
    versions: fresh.versions,
    state: 'planning',
    planned: action === 'resume' ? existing.planned : false,
    ...(action === 'renew' ? renewed(existing, fresh) : {}),
    ...(action === 'update' || action === 'retry' ? { updating: action } : {}),
    ...(action === 'resume' && asked !== undefined ? { followUp: asked } : {}),
    generation: existing.generation + (stopped ? 1 : 0),
  }
}
