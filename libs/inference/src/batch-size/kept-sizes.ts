import type { Store } from '@layermill/storage'
import { KeptFindings } from '../kept.js'

/** Case that a batch size was found for. In another case it is looked for again. */
export interface MeasuredCase {
  readonly engine: string
  readonly version: string
  readonly device: string
  /** Of this machine: model and number of its processors. */
  readonly processor: string
  readonly network: string
  readonly layers: readonly string[]
  readonly inputSize: readonly [number, number]
  readonly precision: string
}

function usable(size: unknown): number | undefined {
  return typeof size === 'number' && Number.isInteger(size) && size >= 1 && size <= 4096 ? size : undefined
}

/** Batch sizes found on this machine: `$LAYERMILL_HOME/batch-sizes`. */
export class KeptBatchSizes extends KeptFindings<MeasuredCase, number> {
  /** @param store default: that folder. */
  constructor(store: Store | string = 'batch-sizes') {
    super(store, 'batchSize', usable)
  }
}
