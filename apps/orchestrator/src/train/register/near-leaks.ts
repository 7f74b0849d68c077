import { meanRows, nearLeaks, type RowSource, takenRows } from '@layermill/analysis'
import type { FinetuneSpec } from '@layermill/contracts'
import type { ManifestRow, Store } from '@layermill/storage'
import { openFeatureSet } from '../../features/feature-set.js'
import { featureRows } from '../../features/rows.js'
import { openFenced } from '../../run/open-fenced.js'
import { deleteRun } from '../../run/record-store.js'
import { type FeatureRunOptions, featureStoreUrl, runFeatures } from '../feature-runs.js'
import { baseIsFixed, featuresLayer } from '../plan.js'
import type { Leak } from './leaks.js'

/**
 * Ratio of distances below which a held-out image is nearly a training image here. Of 2,000 pictures of Fashion-MNIST held out of 10,000
 * it takes one natural pair for a copy, where 0.5 takes seven, and finds 98% of copies that are cropped, all of those that are
 * recompressed or brighter.
 */
const gateRatio = 0.4
/** Share of held-out images up to which such pairs are expected anyhow; a single one says nothing either. */
const naturalShare = 0.005

/** Whether so many held-out images are nearly training images that accuracy on them says little. */
export const isTooMany = (leaks: number, heldOut: number): boolean => leaks > Math.max(1, naturalShare * heldOut)

/** Images whose features are asked for. */
export interface LeakImages {
  readonly source: string
  readonly rows: readonly ManifestRow[]
}

/** Feature runs of the gate alone. */
const own = { training: 'leaks-training', heldOut: 'leaks-held-out' } as const

/** Some images' rows of a run, a channel's mean for a map, and the images in their order. */
async function rowsOf(store: Store, layer: string, rows: readonly ManifestRow[]): Promise<{ source: RowSource; rows: ManifestRow[] }> {
  const set = await openFeatureSet(store, layer)
  const { source, keys } = await featureRows(set)
  const wanted = new Map(rows.map(row => [row.key, row]))
  const places = keys.flatMap((key, place) => (wanted.has(key) ? [place] : []))
  const taken = takenRows(source, places)
  const [, ...positions] = set.layer.shape
  const numbers = positions.reduce((product, size) => product * size, 1)
  return { source: numbers === 1 ? taken : meanRows(taken, numbers), rows: places.map(place => wanted.get(keys[place]!)!) }
}

/**
 * Held-out images that are nearly images trained on, by features of the base where the head begins: those that a frozen base was trained
 * with, else computed for this.
 * @returns at most one training image for each, the nearest
 * @throws LayermillError as extraction runs do
 */
export async function nearLeaksOf(training: LeakImages, heldOut: LeakImages, options: FeatureRunOptions): Promise<Leak[]> {
  const spec = options.record.spec as FinetuneSpec
  const { network } = await options.environment.base(spec)
  const layer = featuresLayer(spec, network)
  const stored = (source: string): string | undefined =>
    source === spec.source ? 'images' : source === spec.validation ? 'validation' : undefined
  const compute = async ({ source, rows }: LeakImages, otherwise: string, hasFeatures: boolean) => {
    const name = (hasFeatures ? stored(source) : undefined) ?? otherwise
    const { store } = await runFeatures({ name, source, rows, layer, maxErrors: spec.maxErrors, exact: name === otherwise }, options)
    return { store, ...(await rowsOf(store, layer, rows)) }
  }
  const isFixed = baseIsFixed(spec)
  const trained = await compute(training, own.training, isFixed)
  await using _trained = trained.store
  // A source for the gate alone is listed without what an audit left out of the training.
  const held = await compute(heldOut, own.heldOut, isFixed && spec.register?.heldOut === undefined)
  await using _held = held.store
  const sizes = new Map<string | undefined, number>()
  for (const { label } of training.rows) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  const hasClasses = spec.target === undefined || spec.target === 'class'
  const { openProduct } = await import('@layermill/engines')
  const fast = await openProduct()
  try {
    const found = await nearLeaks(held.source, trained.source, {
      product: fast.product,
      signal: options.signal,
      ratio: gateRatio,
      alike: row => (hasClasses ? (sizes.get(held.rows[row]!.label) ?? 0) : Infinity),
    })
    const nearest = new Map<number, Leak>()
    for (const pair of found)
      if (!nearest.has(pair.heldOut))
        nearest.set(pair.heldOut, { key: held.rows[pair.heldOut]!.key, training: trained.rows[pair.training]!.key })
    return [...nearest.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1))
  } finally {
    await fast.close()
  }
}

/** Takes away what was computed for the gate alone. */
export async function deleteNearLeakRuns({ store, environment, fence }: Pick<FeatureRunOptions, 'store' | 'environment' | 'fence'>) {
  for (const name of Object.values(own)) {
    await using run = await openFenced(featureStoreUrl(store, name), environment.runs, fence)
    await deleteRun(run)
  }
}
