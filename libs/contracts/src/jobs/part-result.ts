import type { PhaseSeconds } from './phases.js'

/**
 * Software and hardware that computed a part. Workers of which all four are equal compute the same bits from the same images, at any
 * batch size and number of threads.
 */
export interface ComputedBy {
  readonly engine: string
  /** Of the runtime below, as `onnxruntime 1.30.0`. */
  readonly version: string
  readonly device: string
  /** The kind of CPU and eight digits of what it computes, as `x64-avx512.994d2455`. */
  readonly cpu: string
}

/** The return value and the progress of a part's job: a worker reports it, the run's supervisor reads it. */
export interface PartResult {
  readonly images: number
  readonly failed: number
  /** Images whose results all came from the cache; only where there is one. */
  readonly cached?: number
  /** Values that are NaN or infinite in its files; only where there are some. */
  readonly overflow?: number
  /** Left out by earlier versions. */
  readonly computedBy?: ComputedBy
  /** Worker that did the part, where there are several, and its busy seconds since it told them last; of a part that it did just now. */
  readonly phases?: { readonly worker?: string; readonly seconds: PhaseSeconds }
  /** Reason for which a network's file was computed one image at a time; only where it was. */
  readonly oneByOne?: string
  /** Images of a part with `--decode draft` that were decoded exactly as well, and the sum over them of each layer's cosine. */
  readonly draft?: { readonly images: number; readonly cosine: Readonly<Record<string, number>> }
}
