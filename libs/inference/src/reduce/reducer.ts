import { setImmediate } from 'node:timers/promises'
import { type KeepBlock, normalizeRows, randomColumns, type RandomProjection, sparseProjection, varianceFloor } from '@layermill/analysis'
import { parseRule, type ReduceRule, type RunRecord } from '@layermill/contracts'
import { elementCount, freeArrays, LayermillError } from '@layermill/core'
import { layerShapes, type Network } from '@layermill/models'
import type { Store } from '@layermill/storage'
import { type PoolKind, pooledShape, poolRow } from '../part/pool.js'
import { decodeFit, fitsHash, type ReductionFit, reductionPath } from './fit-file.js'

/** One image's activation to what is written of it. */
export interface Reducer {
  (row: Float32Array, shape: readonly number[]): Float32Array
  /** Makes what rows of so many numbers need, before the first of them is there. */
  prepare(columns: number): void
}

/** A map of rows that is made when the first one is there, or before. */
interface RowMap {
  (row: Float32Array, shape: readonly number[]): Float32Array | Float64Array
  prepare(columns: number): void
}

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

/**
 * The part of a rule that needs no sample: pooling, or a random map.
 * @param keep holds its sparse matrix; default: in memory
 */
export function mapOf(rule: ReduceRule, layer: string, keep?: KeepBlock): RowMap {
  const prepare = (): void => undefined
  const { kind } = rule
  if (kind === 'avg' || kind === 'max')
    return Object.assign((row: Float32Array, shape: readonly number[]) => poolRow(row, shape, kind), { prepare })
  if (kind !== 'srp' && kind !== 'random') return Object.assign((row: Float32Array) => row, { prepare })
  let map: RandomProjection | undefined
  const seed = `${rule.seed}:${layer}`
  const make = (columns: number): RandomProjection | undefined => {
    if (columns <= rule.components) return undefined
    if (map?.columns !== columns)
      map = kind === 'srp' ? sparseProjection(columns, rule.components, seed, keep) : randomColumns(columns, rule.components, seed)
    return map
  }
  return Object.assign((row: Float32Array) => make(row.length)?.project(row) ?? row, { prepare: (columns: number) => void make(columns) })
}

/** @param fit where the rule needs one */
export function createReducer(rule: ReduceRule, layer: string, fit: ReductionFit | undefined, keep?: KeepBlock): Reducer {
  const map = mapOf(rule, layer, keep)
  const reduce = (row: Float32Array, shape: readonly number[]): Float32Array => {
    const mapped = rule.kind === 'pca' ? projectOn(fit!, rule.whiten, row) : map(row, shape)
    const values = mapped instanceof Float64Array ? mapped : Float64Array.from(mapped)
    if (rule.kind !== 'pca' && rule.center) for (let j = 0; j < values.length; j++) values[j]! -= fit!.mean[j]!
    if (rule.l2) normalizeRows(values, values.length)
    const written = Float32Array.from(values)
    // As much again for each layer of each image as is written of it, which the collector would leave for a while.
    freeArrays([values])
    return written
  }
  return Object.assign(reduce, { prepare: (columns: number) => map.prepare(columns) })
}

/**
 * Makes the matrices of a run's reductions where the sizes of its images are known: making one takes several times what is kept of it, and
 * is done better before the network and its activations are there as well. Lets the event loop turn between them.
 */
export async function prepareReducers({ identity }: RunRecord, network: Network, reducers: Reducers): Promise<void> {
  const { size } = identity.preparation
  if (size === 'keep' || reducers.size === 0) return
  const shapes = layerShapes(network, [...reducers.keys()], [size.height, size.width])
  for (const [layer, reducer] of reducers) {
    reducer.prepare(elementCount(pooledShape(shapes.get(layer)!, identity.pool as PoolKind)))
    await setImmediate()
  }
}

/**
 * Reducers of a run, with the numbers of its sample from its store.
 * @param keep holds their sparse matrices; default: in memory
 * @throws LayermillError `FEATURES_INVALID` where these are missing or not those that the run was started with
 */
export async function readReducers(store: Store, { identity }: RunRecord, keep?: KeepBlock): Promise<Reducers> {
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
    reducers.set(layer, createReducer(rule, layer, fit, keep))
  }
  if (files.size > 0 && fitsHash(files) !== identity.reductionFit)
    throw new LayermillError('FEATURES_INVALID', `${store.url}/reduction is not what run.json names`)
  return reducers
}
