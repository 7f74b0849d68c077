import type { RunRecord } from '@layermill/contracts'
import { fromFloat16, LayermillError, toFloat16 } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { readReducers } from './reduce/reducer.js'
import { readSessionPrecision } from './session-precision.js'
import type { ModelProvider } from './model-provider.js'
import { computeRows, type PreparedRow } from './part/compute-rows.js'
import { type PoolKind, poolRow } from './part/pool.js'
import { preparerOf } from './part/prepare-rows.js'
import { loadRunModel, type ModelPlace } from './run-model.js'

export interface RunFeaturesOptions {
  readonly provider: ModelProvider
  /** Of an extraction run. */
  readonly record: RunRecord
  /** The run's: an int8 run's ranges are there. */
  readonly store: Store
  readonly layer: string
  /** The image's file. */
  readonly bytes: Uint8Array
  /** Its name, for messages. */
  readonly key: string
  /** Present place of the run's network and weights. Default: the place that its spec names. */
  readonly place?: ModelPlace
}

const asFloat16 = (values: Float32Array): Float32Array => {
  const halves = new Uint16Array(values.length)
  toFloat16(values, halves)
  return fromFloat16(halves)
}

/**
 * One image's features as a run would have written them: its network, weights, preparation, precision, pooling and rounding.
 * @throws LayermillError `IMAGE_...`, `WEIGHTS_HASH`, `CALIBRATION_INVALID`, and as the provider
 */
export async function computeRunFeatures({
  provider,
  record,
  store,
  layer,
  bytes,
  key,
  place = record.spec,
}: RunFeaturesOptions): Promise<Float32Array> {
  const { network } = await loadRunModel(provider, record, place)
  const { prepared, crops } = await preparerOf(record, network)(bytes, key)
  async function* rows(): AsyncGenerator<PreparedRow<string>> {
    const { tensor, width, height, inputHeight, inputWidth } = prepared
    yield { kind: 'image', row: key, tensor, crops, inputSize: [inputHeight, inputWidth], width, height, sha256: '' }
  }
  const { size } = record.identity.preparation
  const inputSize = size === 'keep' ? undefined : ([size.height, size.width] as const)
  const precision = await readSessionPrecision(store, record)
  const reducers = await readReducers(store, record)
  // As the run: what int8 and fp16 round depends on which layers are asked for.
  const session = await provider.session(
    place.model,
    place.weights,
    precision === undefined ? [layer] : record.identity.layers,
    inputSize,
    precision,
  )
  try {
    for await (const row of computeRows(rows(), { extractor: session.value, batchSize: Math.max(1, crops) })) {
      if (row.kind !== 'computed') continue
      const { data, shape } = row.layers.get(layer)!
      const pooled = poolRow(data, shape, record.identity.pool as PoolKind)
      const reduced = reducers.get(layer)?.(pooled, pooled.length === data.length ? shape : [pooled.length]) ?? pooled
      return record.identity.dtype === 'float16' ? asFloat16(reduced) : reduced
    }
  } finally {
    session.done()
  }
  throw new LayermillError('ENGINE_FAILED', `the engine gave no ${layer} of ${key}`)
}
