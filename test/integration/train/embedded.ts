import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LocalGradients, type ModelProvider, openTrainingSession } from '@layermill/inference'
import { FinetuneSpec, type RunRecord, type TrainingPlan } from '@layermill/contracts'
import { type Broker, openBroker } from '@layermill/queue'
import { execute } from '@layermill/orchestrator/run'
import { type MetricsLine, type TrainingEnvironment, trainingSteps } from '@layermill/orchestrator/train'
import { openSource, openStore, type Store } from '@layermill/storage'
import type { GradientSource } from '@layermill/training'
import { compose } from 'layermill'

export interface TrainOptions {
  /** Stands between the run and what computes its gradients. */
  readonly wrap?: (source: GradientSource) => GradientSource
  /** Source of the gradients, instead of this process by itself. */
  readonly gradients?: (parts: { broker: Broker; provider: ModelProvider; plan: TrainingPlan; store: Store }) => Promise<GradientSource>
  readonly generalPath?: boolean
  readonly signal?: AbortSignal
  readonly onEpoch?: (line: MetricsLine) => void
}

export interface TrainResult {
  readonly record: RunRecord
  readonly lines: MetricsLine[]
  readonly warnings: string[]
}

/** Settings of a network that is small at 32x32, with weights that are known. */
export const smallNetwork = {
  model: 'googlenet',
  weights: 'random:1',
  layer: 'inception_3a',
  size: { width: 32, height: 32 },
  device: 'cpu',
} as const

export async function readLines(out: string): Promise<MetricsLine[]> {
  const text = await readFile(join(out, 'metrics.jsonl'), 'utf8')
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as MetricsLine)
}

/** Fine-tunes in this process, as the command does. */
export async function train(spec: Record<string, unknown>, options: TrainOptions = {}): Promise<TrainResult> {
  const parsed = FinetuneSpec.parse({ kind: 'finetune', ...smallNetwork, ...spec })
  await using composition = compose({ engine: 'onnx', device: 'cpu', note: () => undefined })
  composition.warm({ engine: options.gradients === undefined })
  await using broker = options.gradients === undefined ? undefined : await openBroker('embedded')
  const { provider } = composition
  const environment: TrainingEnvironment = {
    runs: composition.environment,
    openLabelled: (source, access) => openSource(source, { access, labels: /\.(csv|jsonl)$/.test(source) ? 'auto' : 'folder' }),
    base: async ({ model, weights }) => provider.model(model, weights),
    readAhead: 4,
    gradients: async (_record, plan, store, features) => {
      if (broker !== undefined && options.gradients !== undefined) return options.gradients({ broker, provider, plan, store })
      const stored = features === undefined ? {} : { features: { ...features, memory: 1e8 } }
      const { session } = await openTrainingSession({ provider, store, openSource: source => openSource(source), readAhead: 4, ...stored })
      const source = new LocalGradients(session, plan.exchange)
      return options.wrap?.(source) ?? source
    },
  }
  const warnings: string[] = []
  const store = openStore(parsed.out)
  try {
    const { generalPath = false, signal = new AbortController().signal, onEpoch } = options
    const steps = trainingSteps(parsed, {
      environment,
      store,
      signal,
      generalPath,
      onEpoch,
      onWarning: text => warnings.push(text),
    })
    const done = await execute(steps, { store, signal }, () => environment.runs.now())
    return { record: done, lines: await readLines(parsed.out), warnings }
  } finally {
    await store.close()
  }
}
