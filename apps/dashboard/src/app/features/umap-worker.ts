import { mulberry32 } from '@layermill/core/mulberry32'
import { UMAP } from 'umap-js'

/** Message from the page: rows of numbers, and how many neighbours count. */
export interface UmapRequest {
  readonly rows: number[][]
  readonly neighbours: number
}

/** Message to the page, sent again and again: the places so far. */
export interface UmapProgress {
  readonly places: number[][]
  readonly epoch: number
  readonly epochs: number
}

/** Milliseconds between pictures. */
const interval = 60

addEventListener('message', ({ data }: MessageEvent<UmapRequest>) => {
  // The same numbers every time, so that the same features give the same picture.
  const umap = new UMAP({ nComponents: 2, nNeighbors: data.neighbours, minDist: 0.15, random: mulberry32(1) })
  const epochs = umap.initializeFit(data.rows)
  let told = 0
  for (let epoch = 1; epoch <= epochs; epoch++) {
    umap.step()
    const now = performance.now()
    if (epoch < epochs && now - told < interval) continue
    told = now
    postMessage({ places: umap.getEmbedding(), epoch, epochs } satisfies UmapProgress)
  }
})
