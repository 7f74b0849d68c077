import { LocalGradients, type ModelProvider, openTrainingSession, readAhead, specNetwork } from '@layermill/inference'
import { type ImageSource, openSource, type SourceAccess } from '@layermill/storage'
import type { TrainingEnvironment } from '../train/environment.js'
import type { OpenSource } from './environment-options.js'

/** Bytes of stored features that may stay in memory. */
const featureMemory = 2e9

/** Micro-batches in this process. */
export function localGradients(provider: ModelProvider): TrainingEnvironment['gradients'] {
  return async (_record, plan, store, features) => {
    const stored = features === undefined ? {} : { features: { ...features, memory: featureMemory } }
    const { session } = await openTrainingSession({
      provider,
      store,
      openSource: (source, access) => openSource(source, { access }),
      readAhead,
      ...stored,
    })
    return new LocalGradients(session, plan.exchange)
  }
}

export function trainingEnvironment(
  runs: TrainingEnvironment['runs'],
  provider: ModelProvider,
  gradients: TrainingEnvironment['gradients'],
  open: OpenSource = openSource,
): TrainingEnvironment {
  return {
    runs,
    gradients,
    openLabelled: (source, access) => openLabelled(source, open, access),
    base: async spec => {
      const loaded = await provider.model(spec.model, spec.weights)
      return { ...loaded, network: specNetwork(loaded, spec, () => undefined) }
    },
    readAhead,
    openEngine: () => provider.openEngine(),
  }
}

/**
 * A folder's classes are its folders, also where a stray image lies beside them: that one is then missed, and said so. An archive's are
 * those that it states, else its folders.
 */
export async function openLabelled(source: string, open: OpenSource, access: SourceAccess | undefined): Promise<ImageSource> {
  const opened = await open(source, { access })
  if (!['folder', 's3', 'tar', 'parquet'].includes(opened.kind)) return opened
  await opened.close()
  return open(source, { labels: 'folder', access })
}
