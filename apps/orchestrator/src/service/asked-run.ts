import type { RunJob, RunSpec } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { OpenedRun } from '../run/execute.js'
import { readRunRecord } from '../run/record-store.js'

/** A run's spec without the changes that it asked for when it was given: those are noted in its record by now. */
function goingOn(spec: RunSpec): RunSpec {
  if (spec.kind === 'finetune') return { ...spec, overwrite: false }
  return { ...spec, overwrite: false, retryFailed: false, ...(spec.kind === 'extract' ? { update: false } : {}) }
}

export interface AskedRun {
  readonly spec: RunSpec
  /** The run, where this job has opened it before: it is opened once for each job however often the job changes hands. */
  readonly opened: OpenedRun | undefined
}

/**
 * The run that a job means.
 * @param opened whether an earlier try of this job opened it
 * @throws LayermillError `RUN_MISSING` where a job without a spec finds no run
 */
export async function askedRun(job: RunJob, store: Store, opened: boolean): Promise<AskedRun> {
  const existing = await readRunRecord(store)
  const own = existing?.id === job.run ? existing : undefined
  if (opened && own !== undefined && own.state !== 'failed') return { spec: own.spec, opened: { record: own, action: 'resume' } }

  const spec = job.spec ?? existing?.spec
  if (spec === undefined) throw new LayermillError('RUN_MISSING', `there is no run at ${store.url}`)
  // The id is this job's: what was to be replaced is gone already. One that is done and taken up again is only told to those who ask.
  const again = own !== undefined && (job.resume === true || (own.state !== 'done' && (opened || spec.overwrite)))
  return { spec: again ? goingOn(spec) : spec, opened: undefined }
}
