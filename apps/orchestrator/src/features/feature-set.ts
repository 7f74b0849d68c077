import { closest, LayermillError } from '@layermill/core'
import { type FeatureFormat, type LayerResult, type RunRecord, successPath } from '@layermill/contracts'
import type { FeaturePlace, Store } from '@layermill/storage'
import { readableParts } from '../run/readable-parts.js'
import { readRunRecord } from '../run/record-store.js'

/** Location of one layer's features. */
export interface StoredLayer {
  readonly store: Store
  readonly layer: LayerResult
  readonly place: FeaturePlace
  /** Numbers an image has: those of a feature map one behind the other. */
  readonly dimensions: number
  /** In their order. */
  readonly parts: readonly number[]
}

/** One layer's features of an extraction run, as far as they are there. */
export interface FeatureSet extends StoredLayer {
  readonly record: RunRecord
  /** The run is finished. */
  readonly complete: boolean
}

function chooseLayer({ layers }: RunRecord, wanted: string | undefined, url: string): LayerResult {
  const names = layers.map(({ name }) => name)
  const only = wanted ?? (names.length === 1 ? names[0] : undefined)
  if (only === undefined) throw new LayermillError('SPEC_INVALID', `--layer: expected one of the run's layers: ${names.join(', ')}`)
  const found = layers.find(({ name }) => name === only)
  if (found !== undefined) return found
  const meant = closest(only, names)
  throw new LayermillError(
    'LAYER_MISSING',
    `${url} has no layer ${only}; it has ${names.join(', ')}`,
    meant === undefined ? {} : { hint: `did you mean ${meant}?` },
  )
}

/**
 * Opens what an extraction run has written of one layer.
 *
 * @param layer may be left out where the run has only one
 * @throws LayermillError `RUN_MISSING`, `LAYER_MISSING`, `SPEC_INVALID` (no layer given, and there are several), `NOT_RECORDED` where
 * nothing is
 *   there yet, and what the store throws
 */
export async function openFeatureSet(store: Store, layer: string | undefined): Promise<FeatureSet> {
  const record = await readRunRecord(store)
  if (record === undefined) {
    throw new LayermillError('RUN_MISSING', `there is no run at ${store.url}`, {
      hint: 'expected the --out of layermill extract: the folder that holds run.json',
    })
  }
  if (record.spec.kind !== 'extract')
    throw new LayermillError('LAYER_MISSING', `${store.url} holds a run of ${record.spec.kind}, which has no features`)
  const chosen = chooseLayer(record, layer, store.url)
  const parts = await readableParts(store)
  if (parts.length === 0) throw new LayermillError('NOT_RECORDED', `${store.url}: no part with features is there yet`)
  const place = { layer: chosen.name, format: record.identity.format as FeatureFormat, rowShape: chosen.shape }
  const complete = (await store.stat(successPath)) !== undefined
  return { store, record, layer: chosen, place, dimensions: chosen.shape.reduce((product, size) => product * size, 1), parts, complete }
}
