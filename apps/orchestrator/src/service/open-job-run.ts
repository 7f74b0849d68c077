import type { ExtractSpec, PredictSpec, RunJob, RunRecord } from '@layermill/jobs'
import { LayermillError } from '@layermill/models'
import type { Store } from '@layermill/storage'
import type { RunEnvironment } from '../run/environment.js'
import { openRun } from '../run/open-run.js'
import { readRunRecord } from '../run/record-store.js'

/** A run's spec without the changes that it asked for when it was given: those are noted in its record by now. */
function goingOn<Spec extends ExtractSpec | PredictSpec>(spec: Spec): Spec {
  return { ...spec, overwrite: false, retryFailed: false, ...(spec.kind === 'extract' ? { update: false } : {}) }
}

/**
 * The record of the run that a job means, opened once for each job however often the job changes hands.
 *
 * @param opened whether an earlier try of this job opened the run
 * @throws LayermillError as `openRun` does; `RUN_MISSING` where a job without a spec finds no run
 */
export async function openJobRun(job: RunJob, opened: boolean, store: Store, environment: RunEnvironment): Promise<RunRecord> {
  const existing = await readRunRecord(store)
  const own = existing?.id === job.run ? existing : undefined
  if (opened && own !== undefined && own.state !== 'failed') return own

  const spec = job.spec ?? existing?.spec
  if (spec === undefined) throw new LayermillError('RUN_MISSING', `there is no run at ${store.url}`)
  if (spec.kind === 'finetune') throw new LayermillError('SPEC_INVALID', 'kind: got finetune, expected extract or predict on this queue')
  // The id is this job's: what was to be replaced is gone already.
  const again = own !== undefined && own.state !== 'done' && (opened || job.resume === true || spec.overwrite)
  const { record } = await openRun(again ? goingOn(spec) : spec, store, { ...environment, newId: () => job.run })
  return record
}
