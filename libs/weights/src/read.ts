import { type Network, parameterShapes } from '@layermill/models'
import { openFile, type RandomAccess, type Tensor } from '@layermill/core'
import { assembleWeights } from './assemble.js'
import { openTensorFile } from './readers/detect.js'
import type { ReadOptions, WeightSet } from './types.js'

/** Properties of a network that reading weights needs. */
export type WeightTarget = Pick<Network, 'id' | 'architecture' | 'family' | 'nodes' | 'inputSize'>

/**
 * Reads a network's weights from an opened file, whose format its contents tell, and closes it.
 * @throws LayermillError `WEIGHTS_FORMAT`, `WEIGHTS_TRUNCATED`, `WEIGHTS_MISMATCH`.
 */
export async function readWeights(
  file: RandomAccess,
  network: WeightTarget,
  source: string = file.name,
  options: ReadOptions = {},
): Promise<WeightSet> {
  try {
    await using tensors = await openTensorFile(file, options)
    return await assembleWeights({ ...tensors, path: file.path }, network, parameterShapes(network), source)
  } finally {
    await file.close()
  }
}

/**
 * All tensors of a file under the file's own names, whatever they belong to (a fine-tuned model with its head, say), with the texts
 * it carries.
 * @throws LayermillError `WEIGHTS_NOT_FOUND`, `WEIGHTS_FORMAT`, `WEIGHTS_TRUNCATED`.
 */
export async function readTensors(path: string): Promise<{ tensors: Map<string, Tensor>; metadata: ReadonlyMap<string, string> }> {
  await using file = await openFile(path)
  await using opened = await openTensorFile(file)
  const tensors = new Map<string, Tensor>()
  for (const [name, entry] of opened.entries) tensors.set(name, { shape: entry.shape, data: await entry.read() })
  return { tensors, metadata: opened.metadata }
}
