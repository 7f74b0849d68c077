import {
  parseRunRecord,
  parseTrainingPlan,
  runPath,
  type RunRecord,
  trainingPlanPath,
  trainingRowsPath,
  type TrainingPlan,
  validationRowsPath,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { type ImageSource, type ManifestRow, parseManifest, type SourceAccess, type Store } from '@layermill/storage'
import type { Network } from '@layermill/models'
import type { ModelProvider } from '../model-provider.js'
import { PhaseClock } from '../part/phase-clock.js'
import { requireCpu } from '../required-cpu.js'
import { FeatureInputs, type FeatureInputsOptions } from './feature-inputs.js'
import { ImageInputs, type Inputs } from './image-inputs.js'
import { plannedNetwork, TrainingSession } from './training-session.js'

export interface OpenSessionOptions {
  readonly provider: Pick<ModelProvider, 'openEngine' | 'model'>
  readonly store: Store
  readonly openSource: (source: string, access?: SourceAccess) => Promise<ImageSource>
  readonly readAhead: number
  /** The base weights of a run as the provider is to load them. Default: as its spec names them. */
  readonly weightsOf?: (record: RunRecord) => string
  /** Stores of the base's values, where it does not change and they were computed. */
  readonly features?: {
    readonly training: readonly Store[]
    readonly validation: Store
    readonly shape: readonly number[]
    readonly standard?: FeatureInputsOptions['standard']
    readonly memory: number
  }
}

async function required(store: Store, path: string): Promise<Uint8Array> {
  const bytes = await store.get(path)
  if (bytes === undefined) throw new LayermillError('RUN_MISSING', `there is no ${path} at ${store.url}`)
  return bytes
}

async function readRows(store: Store, path: string): Promise<ManifestRow[]> {
  return parseManifest(await required(store, path), `${store.url}/${path}`)
}

async function imageInputs(
  options: OpenSessionOptions,
  record: RunRecord,
  { plan, base, clock }: { plan: TrainingPlan; base: Network; clock: PhaseClock },
): Promise<Inputs> {
  const { spec } = record
  const source = await options.openSource(spec.source, spec)
  const own = spec.kind === 'finetune' && typeof spec.validation === 'string' ? spec.validation : undefined
  const validationSource = own === undefined ? source : await options.openSource(own, { ...spec, split: undefined })
  return new ImageInputs({
    plan,
    preparation: plannedNetwork(plan, base).preparation,
    source,
    validationSource,
    readAhead: options.readAhead,
    clock,
  })
}

/**
 * A session for the run at a store, from its plan.
 * @throws LayermillError `RUN_MISSING`, `RUN_RECORD_INVALID`, `WEIGHTS_HASH` where the base weights are others here, and as the provider
 * does
 */
export async function openTrainingSession(
  options: OpenSessionOptions,
): Promise<{ session: TrainingSession; plan: TrainingPlan; record: RunRecord }> {
  const { provider, store, features } = options
  const record = parseRunRecord(await required(store, runPath), store.url, true)
  const plan = parseTrainingPlan(await required(store, trainingPlanPath), store.url, true)
  // A process that trains on stored features computes alone.
  if (features === undefined) await requireCpu(record, store, provider)
  const { model } = record.spec
  const weights = options.weightsOf?.(record) ?? record.spec.weights
  const [engine, loaded] = await Promise.all([provider.openEngine(), provider.model(model, weights)])
  if (loaded.weights.sha256 !== record.identity.weights) {
    throw new LayermillError(
      'WEIGHTS_HASH',
      `weights ${weights} of ${model} are ${loaded.weights.sha256} here, the run's are ${record.identity.weights}`,
    )
  }
  const clock = new PhaseClock()
  const inputs =
    features === undefined
      ? await imageInputs(options, record, { plan, base: loaded.network, clock })
      : new FeatureInputs({ plan, clock, ...features })
  const session = await TrainingSession.open({
    plan,
    engine,
    base: loaded.network,
    baseWeights: loaded.weights.tensors,
    inputs,
    clock,
    fromFeatures: features !== undefined,
    training: await readRows(store, trainingRowsPath),
    validation: await readRows(store, validationRowsPath),
  })
  return { session, plan, record }
}
