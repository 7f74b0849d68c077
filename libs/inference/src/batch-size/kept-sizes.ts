import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { layermillHome } from '@layermill/core'
import { openStore, type Store } from '@layermill/storage'

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

/** Batch size that a file holds. Undefined where the file is not of this case or not whole. */
function parse(text: string, measured: MeasuredCase): number | undefined {
  const kept: unknown = JSON.parse(text)
  if (typeof kept !== 'object' || kept === null || !('case' in kept) || !('batchSize' in kept)) return undefined
  const { batchSize } = kept
  const usable = typeof batchSize === 'number' && Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= 4096
  return usable && JSON.stringify(kept.case) === JSON.stringify(measured) ? batchSize : undefined
}

/** Batch sizes found on this machine: `$LAYERMILL_HOME/batch-sizes`, one small file each. Lost or damaged ones are found again. */
export class KeptBatchSizes {
  /** @param store default: that folder. */
  constructor(private readonly store: Store = openStore(join(layermillHome(), 'batch-sizes'))) {}

  /** Undefined where there is none that can be read. */
  async find(measured: MeasuredCase): Promise<number | undefined> {
    try {
      return parse(new TextDecoder().decode(await this.store.get(pathOf(measured))), measured)
    } catch {
      return undefined
    }
  }

  /** Does nothing where it cannot be kept. */
  async keep(measured: MeasuredCase, batchSize: number): Promise<void> {
    await this.store.put(pathOf(measured), `${JSON.stringify({ case: measured, batchSize }, null, 2)}\n`).catch(() => false)
  }
}

const pathOf = (measured: MeasuredCase): string =>
  `${createHash('sha256').update(JSON.stringify(measured)).digest('hex').slice(0, 32)}.json`
