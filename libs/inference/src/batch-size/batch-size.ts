import { freemem } from 'node:os'
import { freeArrays } from '@layermill/core'
import type { Device, Engine, Extractor } from '@layermill/engines'
import type { RunRecord } from '@layermill/contracts'
import type { Network, Size2 } from '@layermill/models'
import { processorText } from '../processor-text.js'
import { chooseBatchSize } from './choose.js'
import { KeptBatchSizes, type MeasuredCase } from './kept-sizes.js'
import { workingBytesPerImage } from './working-memory.js'

/** Batch size for images that keep their own sizes. There is no one shape to try, and batches are of those that happen to be alike. */
const unknownShapes = 8
/** Seconds that the search may take. */
const limit = 3
/** Runs of each size after one that does not count. */
const runs = 2
/** Most bytes for a batch's values: a GPU does not tell what it has, and a CPU is no faster with more. */
const mostBytes = { cpu: 2 ** 28, gpu: 2 ** 31 }

/** A quarter of the memory that is free: two parts are in work, and their rows take some as well. */
const freeBytes = (device: Device): number =>
  Math.min(device.startsWith('cpu') ? mostBytes.cpu : mostBytes.gpu, (process.availableMemory?.() ?? freemem()) / 4)

export interface BatchSizeInput {
  readonly record: RunRecord
  readonly network: Network
  readonly engine: Pick<Engine, 'name' | 'version' | 'device'>
  /** Of the run's layers, as its parts are computed with. */
  readonly extractor: Extractor
  readonly kept?: KeptBatchSizes
  readonly signal?: AbortSignal
}

/** Seconds of a batch, the faster of two; the only one where that took long. */
async function secondsOf(extractor: Extractor, size: number, [height, width]: Size2): Promise<number | undefined> {
  let best = Infinity
  for (let run = 0; run <= runs; run++) {
    // As prepared images have them, from the formula alone.
    const data = Float32Array.from({ length: size * 3 * height * width }, (_, i) => (i % 251) - 125)
    const started = performance.now()
    try {
      const images = { shape: [size, 3, height, width], data }
      if (extractor.trial !== undefined) await extractor.trial(images)
      else freeArrays([...(await extractor.run(images)).values()].map(result => result.data))
    } catch {
      return undefined
    }
    const seconds = (performance.now() - started) / 1000
    if (run === 0 && seconds > limit / (runs + 1)) return seconds
    if (run > 0) best = Math.min(best, seconds)
  }
  return best
}

/**
 * Images to compute at once for a run whose spec says `auto`, by trying some sizes with its own session; found once for each device,
 * network, layers, size and precision, and then kept on this machine.
 * @throws the signal's reason when aborted
 */
export async function findBatchSize({
  record,
  network,
  engine,
  extractor,
  kept = new KeptBatchSizes(),
  signal,
}: BatchSizeInput): Promise<number> {
  const { size } = record.identity.preparation
  if (size === 'keep') return unknownShapes
  const inputSize: Size2 = [size.height, size.width]
  const measured: MeasuredCase = {
    engine: engine.name,
    version: engine.version,
    device: engine.device,
    processor: processorText(),
    network: network.id,
    layers: record.identity.layers,
    inputSize: [...inputSize],
    precision: record.identity.precision,
  }
  const known = await kept.find(measured)
  const bytesPerImage = workingBytesPerImage(network, record.identity.layers, inputSize)
  const budgetBytes = freeBytes(engine.device)
  // A size that was found while more was free is no reason to run out of memory.
  if (known !== undefined && (known === 1 || known * bytesPerImage <= budgetBytes)) return known
  const batchSize = await chooseBatchSize({
    measure: async count => {
      signal?.throwIfAborted()
      return secondsOf(extractor, count, inputSize)
    },
    bytesPerImage,
    budgetBytes,
    limit,
    clock: () => performance.now() / 1000,
  })
  await kept.keep(measured, batchSize)
  return batchSize
}
