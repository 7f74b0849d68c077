import { LayermillError } from '@layermill/core'
import { findNode, type FineTunedNetwork } from '@layermill/models'
import { streamFeatures, type Store } from '@layermill/storage'
import type { FeatureStandard } from '@layermill/training'
import { openFeatureSet } from '../features/feature-set.js'

/** Nodes that leave the values of features as they are, in their order. */
const passing = new Set(['dropout', 'flatten'])

/** Sums of columns over the rows of some images. */
async function sumRows(
  stores: readonly Store[],
  layer: string,
  keys: ReadonlySet<string>,
  add: (values: Float32Array, offset: number, length: number) => void,
  signal: AbortSignal,
): Promise<number> {
  let rows = 0
  for (const store of stores) {
    const set = await openFeatureSet(store, layer)
    for await (const block of streamFeatures(store, set.place, set.parts, { signal })) {
      for (const [i, { key }] of block.rows.entries()) {
        if (!keys.has(key)) continue
        add(block.values, i * block.length, block.length)
        rows++
      }
    }
  }
  return rows
}

/**
 * Mean and standard deviation (n) of every number of a layer over the training images, all augmented copies of them; a deviation of 0
 * counts as 1. Two passes in float64, in the order of the files.
 */
export async function featureStandard(
  stores: readonly Store[],
  layer: string,
  { keys, length, signal }: { readonly keys: ReadonlySet<string>; readonly length: number; readonly signal: AbortSignal },
): Promise<FeatureStandard> {
  const mean = new Float64Array(length)
  const sum = (values: Float32Array, offset: number): void => {
    for (let j = 0; j < length; j++) mean[j]! += values[offset + j]!
  }
  const rows = await sumRows(stores, layer, keys, sum, signal)
  for (let j = 0; j < length; j++) mean[j]! /= Math.max(1, rows)
  const deviation = new Float64Array(length)
  const squares = (values: Float32Array, offset: number): void => {
    for (let j = 0; j < length; j++) deviation[j]! += (values[offset + j]! - mean[j]!) ** 2
  }
  await sumRows(stores, layer, keys, squares, signal)
  for (let j = 0; j < length; j++) deviation[j] = Math.sqrt(deviation[j]! / Math.max(1, rows)) || 1
  return { mean, deviation }
}

/**
 * The first linear layer of a head, which reads the features.
 * @throws LayermillError `SPEC_INVALID` where something between changes them
 */
export function firstLinear(network: FineTunedNetwork, features: string): { weight: string; bias: string } {
  const first = findNode(network, network.newNodes[0]!)
  let at = first.inputs[0]!
  while (at !== (network.layers.get(features) ?? features)) {
    const node = findNode(network, at)
    if (!passing.has(node.op) || node.inputs.length !== 1)
      throw new LayermillError('SPEC_INVALID', `standardize: got true, but ${node.name} (${node.op}) is between ${features} and the head`)
    at = node.inputs[0]!
  }
  if (first.op !== 'linear') throw new LayermillError('SPEC_INVALID', `standardize: ${first.name} is no linear layer`)
  return first.parameters
}
