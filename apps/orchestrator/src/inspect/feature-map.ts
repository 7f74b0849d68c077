import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { FeatureMap } from '@layermill/contracts'
import { streamFeatures } from '@layermill/storage'
import type { FeatureSet } from '../features/feature-set.js'
import type { MapAnswer, MapTask } from './map-thread.js'
import { reduceRow, sampleFeatures } from './sample.js'

/** Images on a map at most. */
export const mostOnMap = 100_000
/** Directions that are kept of the features, and images that they are found by. */
const directions = 24
const sampleSize = 500

/** The thread that a map is computed in, for as long as it takes. */
class MapThread implements AsyncDisposable {
  private readonly worker = new Worker(new URL('./map-thread.js', import.meta.url), { name: 'layermill-map', execArgv: [] })

  /** @param task its values are moved to the thread */
  async ask(task: MapTask): Promise<MapAnswer> {
    const stop = new AbortController()
    try {
      const ended = once(this.worker, 'exit', { signal: stop.signal }).then(() => {
        throw new Error('the thread of a map ended by itself')
      })
      // Rejects where the thread throws: `once` does so for 'error'.
      const answer = once(this.worker, 'message', { signal: stop.signal })
      this.worker.postMessage(task, 'values' in task ? [task.values.buffer as ArrayBuffer] : [])
      ended.catch(() => undefined)
      return ((await Promise.race([answer, ended])) as [MapAnswer])[0]
    } finally {
      stop.abort()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.terminate()
  }
}

/** Rows of a block as vectors, feature maps by their channels' means; of every `every`-th row only. */
function chosenRows(
  values: Float32Array,
  count: number,
  shape: readonly number[],
  first: number,
  every: number,
): { values: Float32Array; rows: number[] } {
  const rows = Array.from({ length: count }, (_, i) => i).filter(i => (first + i) % every === 0)
  const columns = shape[0] ?? 1
  const chosen = new Float32Array(rows.length * columns)
  rows.forEach((row, i) => chosen.set(reduceRow(values, row, shape), i * columns))
  return { values: chosen, rows }
}

/**
 * A map of all images of a set: directions of largest variance of a sample, every image by them, and places by neighbours. Features are
 * read once, in blocks; 96 bytes an image are held.
 * @param onProgress told how far it is, 0 to 1
 * @throws LayermillError as reading the features does; the signal's reason
 */
export async function computeMap(set: FeatureSet, onProgress: (done: number) => void, signal: AbortSignal): Promise<FeatureMap> {
  const { store, layer, parts, place, record } = set
  const sample = await sampleFeatures(
    store,
    { layer: layer.name, format: place.format, bytesPerImage: layer.bytesPerImage },
    Math.min(sampleSize, Math.max(2, record.counts.done)),
  )
  const total = Math.max(1, record.counts.done)
  const every = Math.ceil(total / mostOnMap)
  await using thread = new MapThread()
  await thread.ask({ kind: 'sample', values: sample.values, rows: sample.rows.length, columns: sample.dimensions, count: directions })
  const found = { keys: [] as string[], parts: [] as number[], labels: [] as number[] }
  const names = new Map<string, number>()
  let images = 0
  for await (const block of streamFeatures(store, place, parts, { signal, concurrency: 2 })) {
    const chosen = chosenRows(block.values, block.rows.length, layer.shape, images, every)
    for (const row of chosen.rows) {
      const { key, label } = block.rows[row]!
      if (label !== undefined && !names.has(label)) names.set(label, names.size)
      found.keys.push(key)
      found.parts.push(block.part)
      found.labels.push(label === undefined ? -1 : names.get(label)!)
    }
    images += block.rows.length
    if (chosen.rows.length > 0) await thread.ask({ kind: 'rows', values: chosen.values, columns: sample.dimensions })
    onProgress(Math.min(0.8, (0.8 * images) / total))
  }
  const layout = await thread.ask({ kind: 'end' })
  if (layout.kind !== 'layout') throw new Error('the thread of a map gave no places')
  return {
    layer: layer.name,
    images,
    shown: found.keys.length,
    done: 1,
    ...found,
    names: [...names.keys()],
    clusters: [...layout.clusters],
    x: [...layout.x],
    y: [...layout.y],
  }
}
