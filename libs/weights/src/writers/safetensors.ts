import {
  bytesOf,
  elementCount,
  LayermillError,
  safetensorsHeader,
  safetensorsText,
  type TensorMap,
  writeAll,
  writeAtomically,
} from '@layermill/core'
import type { Network } from '@layermill/models'
import { metadataOf } from '../metadata.js'
import { torchvisionKey } from '../names/scheme.js'
import type { WeightSet } from '../types.js'

interface Item {
  readonly name: string
  readonly dtype: 'F32' | 'I64'
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** The reference writer's order: wider types first, then by name. */
function compareItems(a: Item, b: Item): number {
  if (a.dtype !== b.dtype) return a.dtype === 'I64' ? -1 : 1
  return a.name < b.name ? -1 : 1
}

function headerOf(items: readonly Item[], metadata: Readonly<Record<string, string>>): Buffer {
  // Data begin at a multiple of eight, so that readers can map them into memory.
  return safetensorsHeader(
    safetensorsText(
      items.map(item => ({ ...item, bytes: item.bytes.length })),
      metadata,
    ),
    8,
  )
}

async function writeItems(path: string, items: readonly Item[], metadata: Readonly<Record<string, string>>): Promise<void> {
  const sorted = items.toSorted(compareItems)
  await writeAtomically(path, async handle => {
    await writeAll(handle, headerOf(sorted, metadata))
    for (const item of sorted) await writeAll(handle, item.bytes)
  })
}

function float32Items(tensors: TensorMap): Item[] {
  return [...tensors].map(([name, { shape, data }]): Item => {
    if (data.length !== elementCount(shape))
      throw new LayermillError('TENSOR_SHAPE', `${name} has ${data.length} numbers, not those of its shape`)
    return { name, dtype: 'F32', shape, bytes: bytesOf(data) }
  })
}

/** Writes tensors under their own names, as F32, atomically. */
export async function writeSafetensors(path: string, tensors: TensorMap, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  await writeItems(path, float32Items(tensors), metadata)
}

/** File of `writeSafetensors` in memory, for places that take whole files. */
export function safetensorsBytes(tensors: TensorMap, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const sorted = float32Items(tensors).toSorted(compareItems)
  const chunks = [headerOf(sorted, metadata), ...sorted.map(({ bytes }) => bytes)]
  const file = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const chunk of chunks) {
    file.set(chunk, offset)
    offset += chunk.length
  }
  return file
}

/**
 * A network's weights: torchvision's keys (with `num_batches_tracked`, so that it loads strictly there) for its family, else Chainer's
 * names.
 */
export async function writeWeightsSafetensors(
  path: string,
  network: Pick<Network, 'id' | 'architecture' | 'family'>,
  weights: WeightSet,
): Promise<void> {
  const metadata = metadataOf(network.id, weights)
  if (network.family === 'caffe') {
    await writeSafetensors(path, weights.tensors, metadata)
    return
  }
  const items: Item[] = []
  for (const [parameter, { shape, data }] of weights.tensors) {
    const name = torchvisionKey(network.architecture, parameter)
    if (name === undefined) throw new LayermillError('WEIGHTS_MISMATCH', `torchvision has no name for ${parameter} of ${network.id}`)
    items.push({ name, dtype: 'F32', shape, bytes: bytesOf(data) })
    if (!parameter.endsWith('/avg_mean')) continue
    items.push({ name: name.replace(/running_mean$/, 'num_batches_tracked'), dtype: 'I64', shape: [], bytes: new Uint8Array(8) })
  }
  await writeItems(path, items, metadata)
}
