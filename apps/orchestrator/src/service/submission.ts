import { differenceText, type FinetuneSpec, type RunRecord, type RunSpec, sameValue } from '@layermill/contracts'
import { isLayerPattern } from '@layermill/models'
import { asksForRenewal, isEmptyRun } from '../run/decide.js'
import { trainingConflicts } from '../train/open-training.js'

/** How a spec is to the run that is at its place: plainly another one, plainly the same, or to be told only with the weights at hand. */
export type Likeness = { readonly kind: 'same' | 'unclear' } | { readonly kind: 'other'; readonly difference: string }

/** Fields of a spec that decide the numbers or the form of the results, and where a record's identity has their value. */
const deciding: Readonly<Record<string, (record: RunRecord) => unknown>> = {
  layers: ({ identity }) => identity.layers,
  size: ({ identity }) => identity.preparation.size,
  resample: ({ identity }) => identity.preparation.resample,
  autoOrient: ({ identity }) => identity.preparation.autoOrient,
  decode: ({ identity }) => identity.preparation.decode ?? 'exact',
  oversample: ({ identity }) => identity.preparation.oversample,
  precision: ({ identity }) => identity.precision,
  pool: ({ identity }) => identity.pool,
  dtype: ({ identity }) => identity.dtype,
  format: ({ identity }) => identity.format,
  top: ({ identity }) => identity.top,
}

/** Fields with which a run goes on whatever they are, and those that are compared before. */
const free = new Set([
  'kind',
  'source',
  'model',
  'weights',
  'out',
  'overwrite',
  'update',
  'retryFailed',
  'maxErrors',
  'plan',
  'device',
  'engine',
  'partSize',
  'batchSize',
  'cache',
  'cacheSize',
  'selfCheck',
  'onOverflow',
  'notify',
  'requestPayer',
  'noSignRequest',
  'priority',
])

const fieldsOf = (spec: RunSpec): Readonly<Record<string, unknown>> => ({ ...spec })

const other = (field: string, before: unknown, now: unknown): Likeness => ({
  kind: 'other',
  difference: differenceText(field, before, now, 'the default'),
})

function likenessOfTraining(existing: RunRecord, spec: FinetuneSpec): Likeness {
  if (existing.spec.kind !== 'finetune' || !existing.planned) return { kind: 'unclear' }
  const conflicts = trainingConflicts(existing, spec)
  const difference = conflicts.length === 0 ? undefined : conflicts.join('; ')
  return difference === undefined ? { kind: 'same' } : { kind: 'other', difference }
}

/**
 * Compares a spec with the run at its place as far as it can be told without loading weights. What is left open is looked at when the run
 * is opened.
 */
export function likeness(existing: RunRecord, spec: RunSpec): Likeness {
  const before = fieldsOf(existing.spec)
  const now = fieldsOf(spec)
  const renewal = asksForRenewal(existing.spec, spec)
  for (const field of renewal ? ['kind', 'source'] : ['kind', 'source', 'model']) {
    if (!sameValue(before[field], now[field])) return other(field, before[field], now[field])
  }
  if (spec.kind === 'finetune') return likenessOfTraining(existing, spec)
  let kind: 'same' | 'unclear' = renewal || sameValue(before['weights'], now['weights']) ? 'same' : 'unclear'
  for (const field of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (free.has(field) || sameValue(before[field], now[field])) continue
    const recorded = Object.hasOwn(deciding, field) ? deciding[field] : undefined
    // A default depends on the network and its weights.
    // Patterns stand for layers of the network.
    const pattern = field === 'layers' && spec.kind === 'extract' && spec.layers?.some(isLayerPattern) === true
    if (recorded === undefined || now[field] === undefined || pattern) kind = 'unclear'
    else if (!sameValue(recorded(existing), now[field])) return other(field, recorded(existing), now[field])
  }
  return { kind }
}

/**
 * The id that a spec's run has: the one of the run that is there and goes on, or a new one, which leaves the record of a finished run
 * alone.
 */
export function runIdFor(existing: RunRecord | undefined, spec: RunSpec, newId: () => string): string {
  if (existing === undefined || spec.overwrite) return newId()
  const { kind } = likeness(existing, spec)
  if (kind === 'same') return existing.id
  return existing.state === 'done' || isEmptyRun(existing) ? newId() : existing.id
}
