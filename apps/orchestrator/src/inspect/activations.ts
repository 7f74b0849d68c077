import type { Activations, ChannelDifferences, FeatureFormat } from '@layermill/contracts'
import { featurePath } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { openRanges, readFeatureRows, readIndex, type Store } from '@layermill/storage'
import type { FeatureSet } from '../features/feature-set.js'
import { type FeatureSample, spread } from './sample.js'

/** Channels that are drawn over a picture. */
const shownChannels = 8
/** Larger maps are drawn coarser: they lie over a small picture. */
const largestSide = 64

/** Every `step`-th place's largest value in its block, so that a peak stays. */
function coarser(values: Float32Array, width: number, height: number): { values: number[]; width: number; height: number } {
  const step = Math.ceil(Math.max(width, height) / largestSide)
  const [columns, rows] = [Math.ceil(width / step), Math.ceil(height / step)]
  const found = Array.from({ length: columns * rows }, () => -Infinity)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = Math.floor(y / step) * columns + Math.floor(x / step)
      found[at] = Math.max(found[at]!, values[y * width + x]!)
    }
  }
  return { values: found, width: columns, height: rows }
}

/** Share of the way from the least to the largest value, two digits. */
function shares(values: readonly number[]): number[] {
  const finite = values.filter(Number.isFinite)
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  return values.map(value => (Number.isFinite(value) && high > low ? Math.round(((value - low) / (high - low)) * 100) / 100 : 0))
}

async function rowOf(store: Store, set: FeatureSet, part: number, key: string): Promise<Float32Array> {
  const row = (await readIndex(store, part)).find(candidate => candidate.key === key)
  if (row === undefined) throw new LayermillError('IMAGE_UNKNOWN', `The run has no features of such an image there`)
  const format = set.record.identity.format as FeatureFormat
  const ranges = await openRanges(store, featurePath(set.layer.name, part, format))
  return (await readFeatureRows(format, ranges, set.layer.name, { start: row.row, end: row.row + 1 })).data
}

/**
 * Channels of a layer that answer strongest to one image, by their largest value, and where they do.
 * @throws LayermillError `IMAGE_UNKNOWN`; `LAYER_MISSING` for a layer without places; as the store does
 */
export async function strongestChannels(set: FeatureSet, part: number, key: string): Promise<Activations> {
  const { layer } = set
  const [channels = 0, height = 0, width = 0] = layer.shape
  if (layer.shape.length !== 3 || height * width < 2)
    throw new LayermillError('LAYER_MISSING', `${layer.name} is ${layer.shape.join('x')}: it has no places in the picture`)
  const data = await rowOf(set.store, set, part, key)
  const places = height * width
  const ranked = Array.from({ length: channels }, (_, channel) => {
    let peak = -Infinity
    for (let i = channel * places; i < (channel + 1) * places; i++) peak = Math.max(peak, data[i]!)
    return { channel, peak: Number.isFinite(peak) ? peak : 0 }
  }).toSorted((a, b) => b.peak - a.peak || a.channel - b.channel)
  return {
    layer: layer.name,
    channels: ranked.slice(0, shownChannels).map(({ channel, peak }) => {
      const map = coarser(data.subarray(channel * places, (channel + 1) * places), width, height)
      return { channel, peak, width: map.width, height: map.height, values: shares(map.values) }
    }),
  }
}

/** Classes and channels that are listed. */
const mostClasses = 50
const shownDifferences = 6

/**
 * Channels in which each class of a sample differs most from the others: the difference of the means in units of the standard deviation
 * over all images (Cohen's d with one deviation).
 */
export function channelDifferences({ rows, values, dimensions }: FeatureSample, layer: string): ChannelDifferences {
  const labels = [...new Set(rows.flatMap(({ label }) => (label === undefined ? [] : [label])))].toSorted()
  const moments = (of: (row: number) => boolean) => {
    const [sum, squares] = [new Float64Array(dimensions), new Float64Array(dimensions)]
    let count = 0
    for (let row = 0; row < rows.length; row++) {
      if (!of(row)) continue
      count++
      for (let i = 0; i < dimensions; i++) {
        const value = values[row * dimensions + i]!
        sum[i]! += value
        squares[i]! += value * value
      }
    }
    return { sum, squares, count }
  }
  const all = moments(() => true)
  const deviation = Float64Array.from({ length: dimensions }, (_, i) =>
    Math.sqrt(Math.max(0, all.squares[i]! / all.count - (all.sum[i]! / all.count) ** 2)),
  )
  const classes = spread(labels.length, mostClasses).map(at => {
    const label = labels[at]!
    const own = moments(row => rows[row]!.label === label)
    const others = all.count - own.count
    const channels = Array.from({ length: dimensions }, (_, channel) => {
      const mean = own.sum[channel]! / own.count
      const rest = others === 0 ? mean : (all.sum[channel]! - own.sum[channel]!) / others
      const difference = deviation[channel]! > 0 ? (mean - rest) / deviation[channel]! : 0
      return { channel, mean, others: rest, difference: Number.isFinite(difference) ? difference : 0 }
    })
    const strongest = channels.toSorted((a, b) => Math.abs(b.difference) - Math.abs(a.difference) || a.channel - b.channel)
    return { label, images: own.count, channels: strongest.slice(0, shownDifferences) }
  })
  return { layer, images: rows.length, classes }
}
