import { FeatureMap, hasEnded, layerFolder, type RunDetail } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { Lru } from 'toad-cache'
import { openFeatureSet } from '../features/feature-set.js'
import { computeMap } from './feature-map.js'
import { Limit } from './limit.js'
import type { RunFiles } from './run-files.js'

interface Computation {
  done: number
  readonly map: Promise<FeatureMap>
}

/** Milliseconds that a question waits for a map that is nearly there. */
const patienceMs = 1500

/** Maps of runs, each computed once; those of runs that have ended are kept in a store. */
export class MapShelf {
  private readonly turn = new Limit(1)
  private readonly kept = new Lru<FeatureMap>(3, 10 * 60_000)
  private readonly under = new Map<string, Computation>()
  private readonly stop = new AbortController()

  constructor(
    private readonly files: RunFiles,
    private readonly openStore: (() => Promise<Store>) | undefined,
  ) {}

  /** @throws LayermillError `LAYER_MISSING`, `NOT_RECORDED`; as reading the features does */
  async map(run: RunDetail, layer: string): Promise<FeatureMap> {
    if (run.kind !== 'extract' || run.layers?.some(({ name }) => name === layer) !== true)
      throw new LayermillError('LAYER_MISSING', `The run ${run.id} has no features of ${layer}`)
    const images = run.counts.done
    if (images === 0) throw new LayermillError('NOT_RECORDED', `The run ${run.id} has no features yet`)
    // A run that grows, or was updated, has another map.
    const key = JSON.stringify([run.id, layer, images, run.generation, run.finished ?? null])
    const known = this.kept.get(key) ?? (await this.stored(run, layer, key))
    if (known !== undefined) return known
    const running = this.under.get(key) ?? this.begin(run, layer, key)
    const map = await Promise.race([
      running.map,
      new Promise<undefined>(resolve => setTimeout(() => resolve(undefined), patienceMs).unref()),
    ])
    return map ?? { layer, images, shown: 0, done: running.done }
  }

  /** Ends computations under way. */
  close(): void {
    this.stop.abort(new LayermillError('UNAVAILABLE', 'the server is stopping'))
  }

  private begin(run: RunDetail, layer: string, key: string): Computation {
    const computation: { done: number; map: Promise<FeatureMap> } = {
      done: 0,
      map: this.compute(run, layer, key, done => (computation.done = done)),
    }
    this.under.set(key, computation)
    computation.map.then(
      map => {
        this.kept.set(key, map)
        this.under.delete(key)
      },
      // The next question says why, by trying again.
      () => this.under.delete(key),
    )
    return computation
  }

  private async compute(run: RunDetail, layer: string, key: string, onProgress: (done: number) => void): Promise<FeatureMap> {
    return this.turn.run(() =>
      this.files.use(run.id, async ({ store }) => {
        const map = await computeMap(await openFeatureSet(store, layer), onProgress, this.stop.signal)
        if (hasEnded(run.state)) await this.keep(run, layer, key, map)
        return map
      }),
    )
  }

  private path = (run: string, layer: string): string => `maps/${run}/${layerFolder(layer)}.json`

  private async keep(run: RunDetail, layer: string, key: string, map: FeatureMap): Promise<void> {
    if (this.openStore === undefined) return
    await using store = await this.openStore()
    // It can be computed again: a store that is full or away is no reason not to show it.
    await store.put(this.path(run.id, layer), JSON.stringify({ key, map })).catch(() => false)
  }

  private async stored(run: RunDetail, layer: string, key: string): Promise<FeatureMap | undefined> {
    if (this.openStore === undefined || !hasEnded(run.state)) return undefined
    await using store = await this.openStore()
    const bytes = await store.get(this.path(run.id, layer)).catch(() => undefined)
    if (bytes === undefined) return undefined
    try {
      const found = JSON.parse(new TextDecoder().decode(bytes)) as { key?: string; map?: unknown }
      const map = found.key === key ? FeatureMap.safeParse(found.map) : undefined
      if (map?.success !== true) return undefined
      this.kept.set(key, map.data)
      return map.data
    } catch {
      return undefined
    }
  }
}
