import {
  differences,
  type ExtractSpec,
  type PredictSpec,
  type RunIdentity,
  type RunRecord,
  type RunAction,
  type RunSpec,
  sameRegisteredModel,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { getNetwork, networkIds } from '@layermill/models'
import { inputNumbers } from './identity.js'

export type { RunAction }

export interface RunRequest {
  readonly spec: ExtractSpec | PredictSpec
  readonly identity: RunIdentity
}

/** The change to a finished run that a spec asks for. */
export function requestedChange(spec: RunSpec): 'update' | 'retry' | undefined {
  if (spec.kind === 'finetune') return undefined
  if (spec.kind === 'extract' && spec.update) return 'update'
  return spec.retryFailed ? 'retry' : undefined
}

/** Whether a spec asks for an update to another version of the registered model that a run was made with. */
export function asksForRenewal(existing: RunSpec, spec: RunSpec): boolean {
  return spec.kind === 'extract' && spec.update && existing.model !== spec.model && sameRegisteredModel(existing.model, spec.model)
}

/** Leaves out the fields that may differ between versions of a registered model: they are taken from the new one. */
function besidesVersion({
  model: _model,
  weights: _weights,
  preparation: _preparation,
  calibration: _calibration,
  reductionFit: _reductionFit,
  ...identity
}: RunIdentity): Record<string, unknown> {
  return identity
}

/** Leaves out what another network brings with it: that it is another one says it all. */
function besidesNetworks({
  weights: _weights,
  preparation: { input: _input, ...preparation },
  ...identity
}: RunIdentity): Record<string, unknown> {
  return { ...identity, preparation }
}

/**
 * Earlier ways of decoding, and the present one: they differ for TIFF and AVIF files that were decoded wrong. A run is gone on with; what a
 * cache has of the earlier way is not used.
 */
const decodingSince: Readonly<Record<string, string>> = { 'pillow-9.4-exact/1': 'pillow-9.4-exact/2' }

/** The identity of a run as it would be written now: what an earlier version left out was the network's table's. */
export function withInput({ preparation: { version, ...rest }, ...others }: RunIdentity): RunIdentity {
  const identity: RunIdentity = { ...others, preparation: { version: decodingSince[version] ?? version, ...rest } }
  const { preparation, model } = identity
  const network = model.replace(/@.*$/, '')
  if (preparation.input !== undefined || !networkIds.includes(network)) return identity
  return { ...identity, preparation: { ...preparation, input: inputNumbers(getNetwork(network)) } }
}

/** Whether a run ended before it had any image: a source with a typing error, say. It is in nobody's way. */
export function isEmptyRun({ state, planned, counts }: RunRecord): boolean {
  return (state === 'failed' || state === 'cancelled') && !planned && counts.images === 0 && counts.parts === 0
}

/** Which images a spec is of, as far as another may not differ: an update may leave out others. */
function imagesOf(spec: RunSpec, asked: RunSpec): Record<string, unknown> {
  const { source, split, without, worst } = spec
  return requestedChange(asked) === 'update' ? { source, split } : { source, split, without, worst }
}

/**
 * Decides what to do with the run that is at the destination, if any.
 * @throws LayermillError `RUN_CONFLICT` where it is another run, naming what differs; `RUN_MISSING` where --update or --retry-failed
 * has nothing to start from.
 */
export function decideAction(existing: RunRecord | undefined, request: RunRequest, where: string): RunAction {
  const { spec, identity } = request
  if (existing === undefined) {
    if (!spec.retryFailed) return 'create'
    throw new LayermillError('RUN_MISSING', `--retry-failed: there is no run at ${where}`, { hint: 'leave the flag out to start one' })
  }
  if (spec.overwrite) return 'replace'

  const renewal = asksForRenewal(existing.spec, spec)
  const before = withInput(existing.identity)
  const otherModel = before.model !== identity.model
  const settings = (all: RunIdentity): Record<string, unknown> => (renewal ? besidesVersion(all) : otherModel ? besidesNetworks(all) : all)
  const differing = differences(
    { kind: existing.spec.kind, ...imagesOf(existing.spec, spec), ...settings(before) },
    { kind: spec.kind, ...imagesOf(spec, spec), ...settings(withInput(identity)) },
  )
  if (differing.length > 0 && isEmptyRun(existing)) return 'replace'
  if (differing.length > 0) {
    throw new LayermillError('RUN_CONFLICT', `${where} holds the results of another run: ${differing.join('; ')}`, {
      hint: 'choose another --out, or replace it with --overwrite',
    })
  }
  if (renewal && existing.state !== 'done') {
    throw new LayermillError('RUN_CONFLICT', `${where} is being made with ${existing.spec.model} and is unfinished (${existing.state})`, {
      hint: 'finish it first with that version, or replace it with --overwrite',
    })
  }
  if (renewal) return 'renew'
  if (existing.state !== 'done') return 'resume'
  const change = requestedChange(spec)
  if (change === 'retry') return existing.counts.failed > 0 ? 'retry' : 'complete'
  return change ?? 'complete'
}
