import type { RunJob, RunRecord, RunSpec } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { RunEnvironment } from '../run/environment.js'
import { openRun } from '../run/open-run.js'
import { readRunRecord } from '../run/record-store.js'
import { openTraining } from '../train/open-training.js'
import type { JobTraining } from './job-training.js'

/** A run's spec without the changes that it asked for when it was given: those are noted in its record by now. */
function goingOn(spec: RunSpec): RunSpec {
  if (spec.kind === 'finetune') return { ...spec, overwrite: false }
  return { ...spec, overwrite: false, retryFailed: false, ...(spec.kind === 'extract' ? { update: false } : {}) }
}

export interface JobRunOptions {
  /** Whether an earlier try of this job opened the run. */
  readonly opened: boolean
  readonly store: Store
  readonly environment: RunEnvironment
  readonly training: JobTraining
}

/**
 * The record of the run that a job means, opened once for each job however often the job changes hands.
 *
 * @throws LayermillError as `openRun` and `openTraining` do; `RUN_MISSING` where a job without a spec finds no run
 */
export async function openJobRun(job: RunJob, { opened, store, environment, training }: JobRunOptions): Promise<RunRecord> {
  const existing = await readRunRecord(store)
  const own = existing?.id === job.run ? existing : undefined
  if (opened && own !== undefined && own.state !== 'failed') return own

  const spec = job.spec ?? existing?.spec
  if (spec === undefined) throw new LayermillError('RUN_MISSING', `there is no run at ${store.url}`)
  // The id is this job's: what was to be replaced is gone already.
  const again = own !== undefined && own.state !== 'done' && (opened || job.resume === true || spec.overwrite)
  const asked = again ? goingOn(spec) : spec
  const ownId = { newId: () => job.run }
  if (asked.kind !== 'finetune') return (await openRun(asked, store, { ...environment, ...ownId })).record
  const needs = await training.environment(asked)
  return (await openTraining(asked, store, { ...needs, runs: { ...needs.runs, ...ownId } })).record
}
