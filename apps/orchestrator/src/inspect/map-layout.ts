import { mulberry32 } from '@layermill/core'
import { UMAP } from 'umap-js'

/** Rows that the map is fitted to where nothing else is said; the others are put between those that they are most like. */
const mostLandmarks = 1500
/** Landmarks that decide the place of an image. */
const nearest = 4
/** Fewest rows that a map by neighbours makes sense for. */
const fewest = 8
/** Neighbours of a landmark that count. */
const neighbourhood = 15
const mostClusters = 10
const rounds = 12

export interface Layout {
  /** Places, 0 to 65535. */
  readonly x: Uint16Array
  readonly y: Uint16Array
  readonly clusters: Uint8Array
}

const evenly = (length: number, count: number): number[] =>
  Array.from({ length: Math.min(length, count) }, (_, i) => Math.floor((i * length) / Math.min(length, count)))

function squaredDistance(a: Float32Array, i: number, b: Float32Array, j: number, columns: number): number {
  let sum = 0
  for (let k = 0; k < columns; k++) sum += (a[i * columns + k]! - b[j * columns + k]!) ** 2
  return sum
}

/** Places in two dimensions of a few rows: by their neighbours, of very few by their first two coordinates. */
function fit(rows: Float32Array, count: number, columns: number): number[][] {
  const list = Array.from({ length: count }, (_, i) => Array.from(rows.subarray(i * columns, (i + 1) * columns)))
  if (count < fewest || columns < 2) return list.map(row => [row[0] ?? 0, row[1] ?? 0])
  // The same numbers every time, so that the same features give the same picture.
  const umap = new UMAP({ nComponents: 2, nNeighbors: Math.min(neighbourhood, count - 1), minDist: 0.15, random: mulberry32(1) })
  return umap.fit(list)
}

/** Nearest landmarks of a row with their squared distances, nearest first. */
function landmarksNear(
  rows: Float32Array,
  row: number,
  marks: Float32Array,
  count: number,
  columns: number,
): { mark: number; distance: number }[] {
  const best: { mark: number; distance: number }[] = []
  for (let mark = 0; mark < count; mark++) {
    const distance = squaredDistance(rows, row, marks, mark, columns)
    if (best.length === nearest && distance >= best[nearest - 1]!.distance) continue
    let at = best.length
    while (at > 0 && best[at - 1]!.distance > distance) at--
    best.splice(at, 0, { mark, distance })
    if (best.length > nearest) best.pop()
  }
  return best
}

/** Clusters by k-means of all rows, begun from rows far from each other: the same rows give the same clusters. */
function clusterRows(rows: Float32Array, count: number, columns: number): Uint8Array {
  const clusters = new Uint8Array(count)
  const k = Math.max(1, Math.min(mostClusters, Math.floor(Math.sqrt(count / 2))))
  const sample = evenly(count, mostLandmarks)
  const centres = new Float32Array(k * columns)
  const far = new Float64Array(sample.length).fill(Infinity)
  let next = 0
  for (let c = 0; c < k; c++) {
    centres.set(rows.subarray(sample[next]! * columns, (sample[next]! + 1) * columns), c * columns)
    for (const [i, row] of sample.entries()) far[i] = Math.min(far[i]!, squaredDistance(rows, row, centres, c, columns))
    next = far.reduce((best, value, i) => (value > far[best]! ? i : best), 0)
  }
  for (let round = 0; round < rounds; round++) {
    const sums = new Float64Array(k * columns)
    const sizes = new Uint32Array(k)
    for (let row = 0; row < count; row++) {
      let best = 0
      let closest = Infinity
      for (let c = 0; c < k; c++) {
        const distance = squaredDistance(rows, row, centres, c, columns)
        if (distance < closest) [best, closest] = [c, distance]
      }
      clusters[row] = best
      sizes[best]!++
      for (let i = 0; i < columns; i++) sums[best * columns + i]! += rows[row * columns + i]!
    }
    for (let i = 0; i < centres.length; i++) {
      const size = sizes[Math.floor(i / columns)]!
      if (size > 0) centres[i] = sums[i]! / size
    }
  }
  return clusters
}

function scale(values: Float64Array): Uint16Array {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)]
  return Uint16Array.from(values, value => (high > low ? Math.round(((value - low) / (high - low)) * 65_535) : 32_768))
}

/**
 * Places of many rows on a map: at most 1,500 of them by UMAP (McInnes et al. 2018), the others as the mean of the four that they are most
 * like, weighted by how near these are. In O(rows 1500 columns).
 * @param rows coordinates, row after row
 * @param landmarks most rows that the map is fitted to
 */
export function layOut(rows: Float32Array, count: number, columns: number, landmarks = mostLandmarks): Layout {
  const chosen = evenly(count, landmarks)
  const marks = new Float32Array(chosen.length * columns)
  chosen.forEach((row, i) => marks.set(rows.subarray(row * columns, (row + 1) * columns), i * columns))
  const places = fit(marks, chosen.length, columns)
  const [x, y] = [new Float64Array(count), new Float64Array(count)]
  const placed = new Map(chosen.map((row, i) => [row, i]))
  for (let row = 0; row < count; row++) {
    const own = placed.get(row)
    const near = own === undefined ? landmarksNear(rows, row, marks, chosen.length, columns) : [{ mark: own, distance: 0 }]
    const width = near[near.length - 1]!.distance || 1
    let total = 0
    for (const { mark, distance } of near) {
      const weight = Math.exp((-3 * distance) / width)
      total += weight
      x[row]! += weight * places[mark]![0]!
      y[row]! += weight * places[mark]![1]!
    }
    x[row]! /= total
    y[row]! /= total
  }
  return { x: scale(x), y: scale(y), clusters: clusterRows(rows, count, columns) }
}
