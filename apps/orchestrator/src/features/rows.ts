import { fillRows, readByFill, type RowSource } from '@layermill/analysis'
import { featurePath } from '@layermill/contracts'
import { Gate, LayermillError } from '@layermill/core'
import { fillByPieces, openNpyRows, openRanges, readFeatureRows, readIndex } from '@layermill/storage'
import type { FeatureSet } from './feature-set.js'

/** Parts that are read at once: opening a file takes longer than reading the few rows of a part. */
const partsAtOnce = 4

/** The rows of one part of a layer, whose file is opened once. */
async function rowsOfPart({ store, place, dimensions }: FeatureSet, part: number, count: number): Promise<RowSource> {
  const ranges = await openRanges(store, featurePath(place.layer, part, place.format))
  const wrong = (): LayermillError =>
    new LayermillError('FEATURES_INVALID', `${store.url}: part ${part} of ${place.layer} has fewer rows than its index has images`)
  if (place.format === 'npy') {
    const rows = await openNpyRows(ranges, `${place.layer} of part ${part} in ${store.url}`)
    if (rows.rows < count || rows.columns !== dimensions) throw wrong()
    return rows
  }
  const fill = (start: number, end: number, target: Float64Array): Promise<void> =>
    fillByPieces([start, end], { columns: dimensions, width: 4 }, target, async (from, to) => {
      const { data } = await readFeatureRows(place.format, ranges, place.layer, { start: from, end: to })
      if (data.length !== (to - from) * dimensions) throw wrong()
      return data
    })
  return { rows: count, columns: dimensions, read: readByFill(dimensions, fill), fill }
}

/**
 * Rows of one layer of a run, read in ranges of its part files, with the keys of their images.
 * @throws LayermillError `FEATURES_INVALID` when rows are read that a part lacks; as the store does
 */
export async function featureRows(set: FeatureSet): Promise<{ readonly source: RowSource; readonly keys: readonly string[] }> {
  const { store, parts, dimensions } = set
  const starts: number[] = []
  const keys: string[] = []
  for (const part of parts) {
    starts.push(keys.length)
    for (const { key } of await readIndex(store, part)) keys.push(key)
  }
  const opened = new Map<number, Promise<RowSource>>()
  const gate = new Gate(partsAtOnce)
  const fill = async (start: number, end: number, values: Float64Array): Promise<void> => {
    const fillPart = async (part: number, i: number): Promise<void> => {
      const first = starts[i]!
      const last = starts[i + 1] ?? keys.length
      const [from, to] = [Math.max(start, first), Math.min(end, last)]
      if (from >= to) return
      const target = values.subarray((from - start) * dimensions, (to - start) * dimensions)
      await gate.run(async () => {
        let rows = opened.get(part)
        if (rows === undefined) opened.set(part, (rows = rowsOfPart(set, part, last - first)))
        await fillRows(await rows, from - first, to - first, target)
      })
    }
    await Promise.all(parts.map(fillPart))
  }
  return { source: { rows: keys.length, columns: dimensions, read: readByFill(dimensions, fill), fill }, keys }
}
