import type { Projection } from '@layermill/contracts'
import { useEffect, useState } from 'preact/hooks'
import type { UmapProgress, UmapRequest } from './umap-worker.js'

export type Method = 'umap' | 'pca'

/** A place for each point, and how far its finding is (0 to 1). */
export interface FeatureMap {
  readonly places: readonly (readonly [number, number])[]
  readonly progress: number
}

/** Fewest points that a map by neighbours makes sense for. */
export const fewestForUmap = 8

const pair = (place: readonly number[]): readonly [number, number] => [place[0] ?? 0, place[1] ?? 0]

/** Places in two dimensions: the first two components at once, or a map by neighbours that settles while it is watched. */
export function useMap(projection: Projection | undefined, method: Method): FeatureMap {
  const [map, setMap] = useState<FeatureMap>({ places: [], progress: 0 })
  useEffect(() => {
    if (projection === undefined) return undefined
    const flat = projection.points.map(({ components }) => pair(components))
    if (method === 'pca' || flat.length < fewestForUmap) {
      setMap({ places: flat, progress: 1 })
      return undefined
    }
    setMap({ places: flat, progress: 0 })
    const worker = new Worker(WORKER_URL)
    worker.addEventListener('message', ({ data }: MessageEvent<UmapProgress>) =>
      setMap({ places: data.places.map(pair), progress: data.epoch / data.epochs }),
    )
    const request: UmapRequest = { rows: projection.points.map(({ components }) => components), neighbours: Math.min(15, flat.length - 1) }
    worker.postMessage(request)
    return () => worker.terminate()
  }, [projection, method])
  return map
}
