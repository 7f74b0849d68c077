import type { TrainingState } from '@layermill/contracts'
import type { HeadFigures, MetricsLine, TrainingProgress } from '@layermill/orchestrator/train'

/** Figures of several targets: `validation/TARGET/FIGURE`. */
function headsOf(metrics: TrainingState['metrics']): Pick<NonNullable<MetricsLine['validation']>, 'heads'> {
  const heads = new Map<string, Record<string, number>>()
  for (const [key, value] of Object.entries(metrics)) {
    const [, head, figure] = key.split('/')
    if (head !== undefined && figure !== undefined) heads.set(head, { ...heads.get(head), [figure]: value })
  }
  return heads.size === 0 ? {} : { heads: Object.fromEntries(heads) as unknown as Record<string, HeadFigures> }
}

/** A finished epoch, as a server tells it, in the form of a line of `metrics.jsonl`. */
export function metricsLineOf({ epoch, step, metrics }: TrainingState): MetricsLine {
  const value = (name: string): number => metrics[name] ?? NaN
  return {
    epoch,
    step,
    learningRate: value('learningRate'),
    training: { loss: value('loss'), accuracy: metrics['accuracy'] },
    gradientNorm: value('gradientNorm'),
    ...(metrics['validationLoss'] === undefined
      ? {}
      : {
          validation: {
            loss: value('validationLoss'),
            accuracy: metrics['validationAccuracy'],
            macroF1: metrics['validationMacroF1'],
            microF1: metrics['validationMicroF1'],
            meanAveragePrecision: metrics['validationMeanAveragePrecision'],
            mae: metrics['validationMae'],
            r2: metrics['validationR2'],
            ...headsOf(metrics),
          },
        }),
    best: metrics['best'] === 1,
  }
}

/** Progress of a run, as a server tells it; undefined for a phase that this version does not know. */
export function trainingProgressOf({ phase, step, steps = 0, epoch, epochs = 0, metrics }: TrainingState): TrainingProgress | undefined {
  const value = (name: string): number => metrics[name] ?? 0
  if (phase === 'write') return { phase }
  if (phase === 'check' || phase === 'features') return { phase, done: step, total: steps, failed: value('failed') }
  if (phase !== 'train' && phase !== 'validate') return undefined
  return {
    phase,
    epoch,
    epochs,
    step,
    steps,
    images: value('images'),
    imagesLeft: value('imagesLeft'),
    loss: value('loss'),
    accuracy: metrics['accuracy'],
  }
}
