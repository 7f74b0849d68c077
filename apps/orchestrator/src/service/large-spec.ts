import { createHash } from 'node:crypto'
import { canonicalJson, parseSpec, type RunJob, type RunSpec } from '@layermill/contracts'
import { errorMessage, LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'

/** Bytes of a spec's JSON that a job carries itself; a larger one lies in the run's store until the run has its record. */
const mostCarried = 8 * 1024

const pathOf = (run: string): string => `submitted/${run}.json`

/** Tells specs apart by what they ask for, not by how urgent it is. */
function digest({ priority: _priority, ...spec }: RunSpec): string {
  return createHash('sha256').update(canonicalJson(spec)).digest('hex')
}

/** A job that is small whatever its spec is: a large one goes into the store, and the job has its name. */
export async function slimJob({ spec, ...job }: RunJob, store: Store): Promise<RunJob> {
  if (spec === undefined) return job
  const text = JSON.stringify(spec)
  if (Buffer.byteLength(text) <= mostCarried) return { ...job, spec }
  await store.put(pathOf(job.run), text, { contentType: 'application/json' })
  const { kind, source, model, out, priority } = spec
  return {
    ...job,
    submitted: {
      sha256: digest(spec),
      kind,
      source,
      model,
      ...(out === undefined ? {} : { out }),
      ...(priority === undefined ? {} : { priority }),
    },
  }
}

/**
 * The job with its spec, wherever that is. Without one the run has its record, which has it.
 * @throws LayermillError `RECORD_INVALID` where the file is not the one that was submitted.
 */
export async function wholeJob(job: RunJob, store: Store): Promise<RunJob> {
  const { submitted } = job
  if (job.spec !== undefined || submitted === undefined) return job
  const bytes = await store.get(pathOf(job.run))
  if (bytes === undefined) return job
  let spec: RunSpec
  try {
    spec = parseSpec(JSON.parse(new TextDecoder().decode(bytes)))
  } catch (cause) {
    throw new LayermillError('RECORD_INVALID', `${store.url}/${pathOf(job.run)} is no spec: ${errorMessage(cause)}`, { cause })
  }
  if (digest(spec) === submitted.sha256) return { ...job, spec }
  throw new LayermillError('RECORD_INVALID', `${store.url}/${pathOf(job.run)} is not the spec that was submitted`)
}

/** Once the run has its record: that has the spec. */
export async function dropSubmitted({ run, submitted }: RunJob, store: Store): Promise<void> {
  if (submitted !== undefined) await store.delete(pathOf(run))
}

/** Whether two jobs ask for the same. */
export function sameSpec(one: RunJob, other: RunJob): boolean {
  const of = ({ spec, submitted }: RunJob): string | undefined => submitted?.sha256 ?? (spec && digest(spec))
  return of(one) === of(other)
}
