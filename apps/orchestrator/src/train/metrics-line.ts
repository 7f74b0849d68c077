import type { MetricsSummary } from '@layermill/training'

/** One epoch in `metrics.jsonl`. Nothing in it depends on time or on who computed, so that equal runs have equal files. */
export interface MetricsLine {
  /** From 1. */
  readonly epoch: number
  /** Updates so far. */
  readonly step: number
  /** Of the epoch's last update. */
  readonly learningRate: number
  readonly training: { readonly loss: number; readonly accuracy: number }
  /** Of the gradient before clipping: the mean over the epoch's updates. */
  readonly gradientNorm: number
  readonly validation?: { readonly loss: number; readonly accuracy: number; readonly macroF1: number }
  /** Whether this epoch is the best so far: by its loss on held-out images, else simply the last. */
  readonly best: boolean
}

/** A held-out image whose class was not recognised. */
export interface Mistake {
  readonly key: string
  readonly label: string
  readonly predicted: string
  /** Of the predicted class, 0 to 1. */
  readonly probability: number
  /** Cross entropy. */
  readonly loss: number
}

/** Evaluation of one epoch's parameters on the held-out images. */
export interface Evaluation {
  readonly epoch: number
  readonly summary: MetricsSummary
  /** The worst ones, worst first. */
  readonly mistakes: readonly Mistake[]
}

export function encodeMetrics(lines: readonly MetricsLine[]): string {
  return lines.map(line => `${JSON.stringify(line)}\n`).join('')
}
