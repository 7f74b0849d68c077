import { differences, type FinetuneSpec, requireRegistry, type RunIdentity, type RunRecord, successPath } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Network } from '@layermill/models'
import { requireExactSwaps, type Store } from '@layermill/storage'
import { registryKind } from '../registry/versions.js'
import type { RunAction } from '../run/decide.js'
import type { OpenedRun, RunArguments } from '../run/execute.js'
import { inputNumbers } from '../run/identity.js'
import { deleteRun, readRunRecord, writeRunRecord } from '../run/record-store.js'
import type { TrainingEnvironment } from './environment.js'
import { openFenced } from '../run/open-fenced.js'
import { cutLayer, trainingSize } from './plan.js'

/** Fields that change nothing of the result: a run goes on with others. */
const free = new Set([
  'kind',
  'strict',
  'device',
  'overwrite',
  'plan',
  'priority',
  'maxErrors',
  'checkpointSteps',
  'keepCheckpoints',
  'export',
  'out',
  'weights',
  'model',
  'register',
  'requestPayer',
  'maxBytes',
  'imageTimeout',
  'noSignRequest',
  'requireCpu',
])

function identityOf(spec: FinetuneSpec, base: Network, weights: string, preparationVersion: string): RunIdentity {
  const [height, width] = trainingSize(spec, base)
  return {
    model: base.id,
    weights,
    layers: [cutLayer(spec, base)],
    preparation: {
      version: preparationVersion,
      size: { height, width },
      resample: spec.resample ?? base.preparation.resample,
      autoOrient: spec.autoOrient,
      oversample: false,
      input: inputNumbers(base),
    },
    precision: 'fp32',
    pool: 'none',
    dtype: 'float32',
    format: 'model',
  }
}

const asksForMore = (before: FinetuneSpec, now: FinetuneSpec): boolean => now.epochs > before.epochs

/** Why a run cannot go on for more epochs as if so many had been asked for at first; undefined where it can. */
function hindersMore({ spec: before, state }: RunRecord, { schedule }: FinetuneSpec): string | undefined {
  if (schedule.kind === 'cosine')
    return 'the cosine schedule spreads the learning rate over all epochs, so that those trained are not the first of more'
  if (state === 'done' && before.kind === 'finetune' && before.register !== undefined)
    return `its model is a version of ${before.register.name} already`
  return undefined
}

/**
 * Differences between a planned run and a spec, as far as the spec tells. There are none where the run is the one that the spec means,
 * or becomes it by more epochs.
 */
export function trainingConflicts(existing: RunRecord, spec: FinetuneSpec): string[] {
  if (existing.spec.kind !== 'finetune') return [`kind was ${existing.spec.kind}, is finetune`]
  const differing = differences(existing.spec, spec, free)
  if (!existing.planned || !asksForMore(existing.spec, spec)) return differing
  const hindrance = hindersMore(existing, spec)
  return hindrance === undefined ? differing.filter(text => !text.startsWith('epochs was ')) : [...differing, hindrance]
}

function decide(existing: RunRecord | undefined, spec: FinetuneSpec, identity: RunIdentity, where: string): RunAction {
  if (existing === undefined) return 'create'
  if (spec.overwrite) return 'replace'
  const differing = trainingConflicts(existing, spec)
  if (existing.identity.weights !== identity.weights) differing.push(`weights were ${existing.identity.weights}, are ${identity.weights}`)
  if (existing.identity.model !== identity.model) differing.push(`model was ${existing.identity.model}, is ${identity.model}`)
  // Nothing was computed for the other spec yet but perhaps features, and those were of other images.
  if (differing.length > 0 && existing.spec.kind === 'finetune' && !existing.planned) return 'replace'
  if (differing.length > 0) {
    throw new LayermillError('RUN_CONFLICT', `${where} holds the results of another run: ${differing.join('; ')}`, {
      hint: 'choose another --out (--model with this one goes on from its model), or replace it with --overwrite',
    })
  }
  if (existing.state !== 'done') return 'resume'
  return existing.spec.kind === 'finetune' && asksForMore(existing.spec, spec) ? 'extend' : 'complete'
}

/** Files that a fine-tuning run leaves, besides those of other kinds of runs. */
const places = [
  'model.json',
  'report.html',
  'metrics.jsonl',
  'model.safetensors',
  'model.onnx',
  'chainer.npz',
  'checkpoints/',
  'features-run/',
  'dataset/',
  'training.json',
]

async function deleteTraining(store: Store): Promise<void> {
  for (const place of places) {
    if (!place.endsWith('/')) await store.delete(place)
    else for await (const { key } of store.list(place)) await store.delete(key)
  }
  await deleteRun(store)
}

/** Refuses a registry that two runs could spoil, before anything is trained for it. */
async function checkRegistry({ register }: FinetuneSpec, { runs }: TrainingEnvironment, fence: RunArguments['fence']): Promise<void> {
  if (register === undefined) return
  await using root = await openFenced(requireRegistry(register.root), runs, fence)
  await requireExactSwaps(root, registryKind)
}

/**
 * Finds or makes the run that a spec means at its destination and writes its record.
 * @throws LayermillError `RUN_CONFLICT` where another run is there; `LAYER_UNKNOWN`, `INPUT_SIZE`; `STORE_CONDITIONS` where the
 * registry's store ignores conditional writes; as the base does
 */
export async function openTraining(
  spec: FinetuneSpec,
  store: Store,
  environment: TrainingEnvironment,
  { id, fence }: Pick<RunArguments, 'id' | 'fence'> = {},
): Promise<OpenedRun> {
  const { runs } = environment
  await checkRegistry(spec, environment, fence)
  const { network, weights } = await environment.base(spec)
  const identity = identityOf(spec, network, weights.sha256, runs.preparationVersion)
  const existing = await readRunRecord(store)
  const action = decide(existing, spec, identity, store.url)
  // A finished run may be registered later.
  if (existing !== undefined && action === 'complete') return { record: { ...existing, spec }, action }
  if (action === 'replace') await deleteTraining(store)
  const fresh: RunRecord = {
    version: 1,
    id: id ?? runs.newId('finetune'),
    state: 'planning',
    generation: 0,
    spec,
    identity,
    layers: [],
    partSize: 1,
    batchSize: spec.batchSize,
    planned: false,
    counts: { images: 0, done: 0, failed: 0, parts: 0 },
    created: runs.now().toISOString(),
    versions: { ...runs.versions },
  }
  if (action === 'extend') await store.delete(successPath)
  const record = existing === undefined || action === 'replace' ? fresh : goingOn(existing, spec)
  await writeRunRecord(store, record)
  return { record, action }
}

function goingOn(existing: RunRecord, spec: FinetuneSpec): RunRecord {
  const { error: _error, finished: _finished, ...rest } = existing
  return { ...rest, state: existing.planned ? 'running' : 'planning', spec, generation: existing.generation + 1 }
}
