import type { MetricsSummary, MultiLabelSummary, RegressionSummary } from '@layermill/training'

/** Figures of the held-out images. Those that a run's target does not have are left out. */
export interface HeldOutFigures {
  readonly loss: number
  /** Share of images whose class, or all of whose labels, are right. */
  readonly accuracy?: number | undefined
  readonly macroF1?: number | undefined
  /** Of several labels an image. */
  readonly microF1?: number | undefined
  readonly meanAveragePrecision?: number | undefined
  /** Of numbers, in their own units: means over the outputs. */
  readonly mae?: number | undefined
  readonly r2?: number | undefined
  /** Of each of several targets, by name; the loss above is their sum, each times its factor. */
  readonly heads?: Readonly<Record<string, HeadFigures>> | undefined
}

/** Figures of one of several targets, of the held-out images that have a value of it. */
export interface HeadFigures extends Omit<HeldOutFigures, 'heads'> {
  readonly images: number
  /** Share of images whose class is among the five likeliest; where it has more classes. */
  readonly top5?: number
}

/** One epoch in `metrics.jsonl`. Nothing in it depends on time or on who computed, so that equal runs have equal files. */
export interface MetricsLine {
  /** From 1. */
  readonly epoch: number
  /** Updates so far. */
  readonly step: number
  /** Of the epoch's last update. */
  readonly learningRate: number
  readonly training: { readonly loss: number; readonly accuracy?: number | undefined }
  /** Of the gradient before clipping: the mean over the epoch's updates. */
  readonly gradientNorm: number
  readonly validation?: HeldOutFigures
  /** Whether this epoch is the best so far: by its loss on held-out images, else simply the last. */
  readonly best: boolean
}

/** A held-out image whose class was not recognised, whose labels are not all right, or whose numbers are far off. */
export interface Mistake {
  readonly key: string
  readonly label: string
  readonly predicted: string
  /** Of the predicted class, or of the surest wrong label, 0 to 1; numbers have none. */
  readonly probability?: number
  /** Cross entropy; of labels the surest wrong score; of numbers the mean error in standard deviations. */
  readonly loss: number
}

/** Figures of all held-out images. */
export interface EvaluationSummary extends Omit<MetricsSummary, 'accuracy' | 'macroF1'> {
  readonly accuracy?: number
  readonly macroF1?: number
  readonly labels?: MultiLabelSummary
  readonly numbers?: RegressionSummary
  /** Of several targets; what is of one alone is empty then. */
  readonly heads?: readonly HeadSummary[]
}

/** Figures of one of several targets, of the held-out images that have a value of it. */
export interface HeadSummary extends Omit<EvaluationSummary, 'heads'> {
  readonly name: string
  readonly classes: readonly string[]
  readonly top5?: number
}

/** The figures that an epoch's line has. */
export function heldOutFigures({ loss, accuracy, macroF1, labels, numbers, heads }: EvaluationSummary): HeldOutFigures {
  return {
    loss,
    ...(accuracy === undefined ? {} : { accuracy, macroF1 }),
    ...(labels === undefined ? {} : { microF1: labels.microF1, meanAveragePrecision: labels.meanAveragePrecision }),
    ...(numbers === undefined ? {} : { mae: numbers.mae, r2: numbers.r2 }),
    ...(heads === undefined ? {} : { heads: Object.fromEntries(heads.map(head => [head.name, headFigures(head)])) }),
  }
}

/** Name of a figure of one of several targets among all figures of an epoch; no target's name has a slash. */
export const headFigureName = (head: string, figure: string): string => `validation/${head}/${figure}`

const headFigures = ({ top5, ...summary }: HeadSummary): HeadFigures => ({
  images: summary.samples,
  ...heldOutFigures(summary),
  ...(top5 === undefined ? {} : { top5 }),
})

/** Evaluation of one epoch's parameters on the held-out images. */
export interface Evaluation {
  readonly epoch: number
  readonly summary: EvaluationSummary
  /** The worst ones, worst first. */
  readonly mistakes: readonly Mistake[]
}

export function encodeMetrics(lines: readonly MetricsLine[]): string {
  return lines.map(line => `${JSON.stringify(line)}\n`).join('')
}
