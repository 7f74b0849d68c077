import { normalizeRows, randomColumns, type RandomProjection, sparseProjection, varianceFloor } from '@layermill/analysis'
import { parseRule, type ReduceRule, type RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { poolRow } from '../part/pool.js'
import { decodeFit, fitsHash, type ReductionFit, reductionPath } from './fit-file.js'

/** One image's activation to what is written of it. */
export type Reducer = (row: Float32Array, shape: readonly number[]) => Float32Array

/** Reducers of a run by layer; of layers that are written as they are, none. */
export type Reducers = ReadonlyMap<string, Reducer>

/** Numbers of a row less a mean, along each component; sums in float64 in the order of the columns. */
function projectOn({ mean, components, explainedVariance }: ReductionFit, whiten: boolean, row: Float32Array): Float64Array {
  if (row.length !== mean.length) throw new LayermillError('ROW_INVALID', `a row of ${row.length} numbers, expected ${mean.length}`)
  const centredRow = new Float64Array(row.length)
  for (let j = 0; j < row.length; j++) centredRow[j] = row[j]! - mean[j]!
  const floor = varianceFloor * (explainedVariance[0] ?? 0)
  return explainedVariance.map((variance, k) => {
    if (whiten && variance <= floor) return 0
    let sum = 0
    for (let j = 0, at = k * row.length; j < row.length; j++, at++) sum += centredRow[j]! * components[at]!
    return whiten ? sum / Math.sqrt(variance) : sum
  })
}

/** The part of a rule that needs no sample: pooling, or a random map. */
export function mapOf(rule: ReduceRule, layer: string): (row: Float32Array, shape: readonly number[]) => Float32Array | Float64Array {
  if (rule.kind === 'avg' || rule.kind === 'max') return (row, shape) => poolRow(row, shape, rule.kind as 'avg' | 'max')
  if (rule.kind !== 'srp' && rule.kind !== 'random') return row => row
  let map: RandomProjection | undefined
  const make = rule.kind === 'srp' ? sparseProjection : randomColumns
  return row => {
    if (row.length <= rule.components) return row
    if (map?.columns !== row.length) map = make(row.length, rule.components, `${rule.seed}:${layer}`)
    return map.project(row)
  }
}

/** @param fit where the rule needs one */
export function createReducer(rule: ReduceRule, layer: string, fit: ReductionFit | undefined): Reducer {
  const map = mapOf(rule, layer)
  return (row, shape) => {
    let values = rule.kind === 'pca' ? projectOn(fit!, rule.whiten, row) : Float64Array.from(map(row, shape))
    if (rule.kind !== 'pca' && rule.center) values = values.map((value, j) => value - fit!.mean[j]!)
    if (rule.l2) normalizeRows(values, values.length)
    return Float32Array.from(values)
  }
}

/**
 * Reducers of a run, with the numbers of its sample from its store.
 * @throws LayermillError `FEATURES_INVALID` where these are missing or not those that the run was started with
 */
export async function readReducers(store: Store, { identity }: RunRecord): Promise<Reducers> {
  const files = new Map<string, Uint8Array>()
  const reducers = new Map<string, Reducer>()
  for (const layer of identity.layers) {
    const text = identity.reduction?.[layer]
    if (text === undefined) continue
    const rule = parseRule(text)
    let fit: ReductionFit | undefined
    if (rule.kind === 'pca' || rule.center) {
      const bytes = await store.get(reductionPath(layer))
      fit = decodeFit(bytes, `${store.url}/${reductionPath(layer)}`)
      files.set(layer, bytes!)
    }
    reducers.set(layer, createReducer(rule, layer, fit))
  }
  if (files.size > 0 && fitsHash(files) !== identity.reductionFit)
    throw new LayermillError('FEATURES_INVALID', `${store.url}/reduction is not what run.json names`)
  return reducers
}
