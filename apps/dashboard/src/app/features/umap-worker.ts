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

/** A generator of the same numbers for the same data, so that the same features give the same picture (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Milliseconds between pictures. */
const interval = 60

addEventListener('message', ({ data }: MessageEvent<UmapRequest>) => {
  const umap = new UMAP({ nComponents: 2, nNeighbors: data.neighbours, minDist: 0.15, random: seeded(1) })
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
