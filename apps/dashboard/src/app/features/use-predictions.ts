import type { RunDetail, RunPage, RunPredictions } from '@layermill/contracts'
import { useMemo } from 'preact/hooks'
import { usePolled } from '../core/poll.js'
import type { MapImages } from './use-feature-map.js'

/** A colour for each point of a map, and what the colours mean. */
export interface Groups {
  readonly groups: Int32Array
  readonly names: readonly string[]
}

/** Predictions of the same images, by which a map can be coloured. */
export interface Predicted {
  readonly runs: readonly { readonly id: string; readonly model: string; readonly name?: string | undefined }[]
  readonly predicted: Groups | undefined
  /** Right and wrong, where a label is the name of a class. */
  readonly errors: Groups | undefined
  readonly error: unknown
}

function byKey(images: MapImages, { keys, predicted, names }: RunPredictions): Groups {
  const places = new Map(keys.map((key, i) => [key, predicted[i]!]))
  const counts = new Uint32Array(names.length)
  for (const place of places.values()) counts[place]!++
  // The most frequent classes have colours of their own.
  const order = names.map((_, i) => i).toSorted((a, b) => counts[b]! - counts[a]! || (names[a]! < names[b]! ? -1 : 1))
  const ranks = new Map(order.map((place, rank) => [place, rank]))
  const groups = Int32Array.from({ length: images.length }, (_, i) => ranks.get(places.get(images.at(i)!.key) ?? -1) ?? -1)
  return { groups, names: order.map(place => names[place]!) }
}

function rightOrWrong(images: MapImages, { groups, names }: Groups): Groups {
  const classes = new Set(names)
  return {
    names: ['right', 'wrong'],
    groups: Int32Array.from({ length: images.length }, (_, i) => {
      const { label } = images.at(i)!
      const taken = names[groups[i]!]
      return label === undefined || taken === undefined || !classes.has(label) ? -1 : taken === label ? 0 : 1
    }),
  }
}

/**
 * Prediction runs of the same source, and what the chosen one makes of the images of a map.
 * @param chosen id of a prediction run, undefined for none
 */
export function usePredictions(run: RunDetail, images: MapImages | undefined, chosen: string | undefined): Predicted {
  const { data: page } = usePolled<RunPage>('/v1/runs?kind=predict&limit=200', 0)
  const { data, error } = usePolled<RunPredictions>(chosen === undefined ? undefined : `/v1/runs/${chosen}/predictions`, 0)
  const runs = (page?.runs ?? []).filter(({ source, counts }) => source === run.source && counts.done > 0)
  const predicted = useMemo(() => (images === undefined || data === undefined ? undefined : byKey(images, data)), [images, data])
  const errors = useMemo(
    () => (images === undefined || predicted === undefined ? undefined : rightOrWrong(images, predicted)),
    [images, predicted],
  )
  return { runs, predicted, errors, error }
}
