import type { FeatureMap, Projection } from '@layermill/contracts'
import { useMemo } from 'preact/hooks'
import { usePolled } from '../core/poll.js'
import type { MapPoints } from './point-map.js'

export interface MapImage {
  readonly part: number
  readonly key: string
  readonly label?: string | undefined
}

/** Images of a map, their places and groups. */
export interface MapImages {
  readonly length: number
  readonly places: MapPoints
  /** Place of each label in `names`, -1 without one. */
  readonly groups: Int32Array
  readonly names: readonly string[]
  readonly clusters: Int32Array
  readonly clusterNames: readonly string[]
  at(point: number): MapImage | undefined
  find(key: string): number | undefined
}

const span = 65_535

function ofMap(map: FeatureMap): MapImages | undefined {
  const { keys, parts, labels, names = [], clusters = [], x, y } = map
  if (keys === undefined || parts === undefined || labels === undefined || x === undefined || y === undefined) return undefined
  const sorted = names.toSorted()
  const ranks = names.map(name => sorted.indexOf(name))
  const index = new Map(keys.map((key, i) => [key, i]))
  const most = clusters.reduce((best, cluster) => Math.max(best, cluster), 0)
  return {
    length: keys.length,
    places: { x: Float32Array.from(x, value => value / span), y: Float32Array.from(y, value => value / span) },
    groups: Int32Array.from(labels, label => (label < 0 ? -1 : ranks[label]!)),
    names: sorted,
    clusters: Int32Array.from(clusters),
    clusterNames: Array.from({ length: most + 1 }, (_, i) => `cluster ${i + 1}`),
    at: point => {
      const key = keys[point]
      return key === undefined ? undefined : { key, part: parts[point]!, label: labels[point]! < 0 ? undefined : names[labels[point]!] }
    },
    find: key => index.get(key),
  }
}

/** First points while the map is computed: a sample by its first two components. */
function ofSample({ points, layer, images }: Projection): MapImages | undefined {
  const names = [...new Set(points.flatMap(({ label }) => (label === undefined ? [] : [label])))]
  const scaled = (column: number): number[] => {
    const values = points.map(({ components }) => components[column] ?? 0)
    const [low, high] = [Math.min(...values), Math.max(...values)]
    return values.map(value => Math.round(((value - low) / (high - low || 1)) * span))
  }
  return ofMap({
    layer,
    images,
    shown: points.length,
    done: 0,
    keys: points.map(({ key }) => key),
    parts: points.map(({ part }) => part),
    labels: points.map(({ label }) => (label === undefined ? -1 : names.indexOf(label))),
    names,
    x: scaled(0),
    y: scaled(1),
  })
}

export interface ShownMap {
  readonly images: MapImages | undefined
  readonly projection: Projection | undefined
  /** Progress of the map of all, 0 to 1. */
  readonly done: number
  readonly error: unknown
}

/** Images that are shown first: few are there within a second. */
const firstPoints = 120

/** A layer's map: the first points at once, all of them when they are computed. */
export function useFeatureMap(run: string, layer: string): ShownMap {
  const query = `layer=${encodeURIComponent(layer)}`
  const first = usePolled<Projection>(layer === '' ? undefined : `/v1/runs/${run}/projection?${query}&sample=${firstPoints}`, 0)
  // Longer work waits for the first points: all of it is computed by the same processors.
  const asked = first.data !== undefined || first.error !== undefined
  const sample = usePolled<Projection>(asked ? `/v1/runs/${run}/projection?${query}` : undefined, 0)
  const path = asked ? `/v1/runs/${run}/map?${query}` : undefined
  const waiting = usePolled<FeatureMap>(path, 1000, ({ done }) => done >= 1)
  const whole = waiting.data
  const seen = sample.data ?? first.data
  const images = useMemo(
    () => (whole !== undefined && whole.done >= 1 ? ofMap(whole) : seen === undefined ? undefined : ofSample(seen)),
    [whole?.done === 1 ? whole : undefined, seen],
  )
  return { images, projection: sample.data, done: whole?.done ?? 0, error: waiting.error ?? sample.error }
}
