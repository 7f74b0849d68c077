import type { Architecture } from '@layermill/models'
import { isVgg } from './scheme.js'

/** Bottleneck blocks in each stage. */
const BLOCKS: Readonly<Record<string, readonly number[]>> = { resnet50: [3, 4, 6, 3], resnet101: [3, 4, 23, 3], resnet152: [3, 8, 36, 3] }
/** Convolutions in each stage. */
const CONVOLUTIONS: Readonly<Record<string, readonly number[]>> = { vgg16: [2, 2, 3, 3, 3], vgg19: [2, 2, 4, 4, 4] }

/**
 * Units of a ResNet in the order of Keras's layers (by depth, then as they were made): a block's projection (0) stands before its last
 * convolution, which it is added to.
 */
function resnetUnits(architecture: Architecture): string[] {
  const units = ['conv1']
  for (const [stage, count] of (BLOCKS[architecture] ?? []).entries()) {
    for (let block = 1; block <= count; block++) {
      for (const number of block === 1 ? [1, 2, 0, 3] : [1, 2, 3]) units.push(`conv${stage + 2}_block${block}_${number}`)
    }
  }
  return units
}

function vggConvolutions(architecture: Architecture): string[] {
  return (CONVOLUTIONS[architecture] ?? []).flatMap((count, stage) =>
    Array.from({ length: count }, (_, i) => `block${stage + 1}_conv${i + 1}`),
  )
}

/** `conv2d` is 0, `conv2d_4` is 4. */
function placeOf(layer: string, type: string): number | undefined {
  if (layer === type) return 0
  const match = new RegExp(`^${type}_([1-9]\\d*)$`).exec(layer)
  return match === null ? undefined : Number(match[1])
}

/**
 * The name that keras.applications gives to a layer that is only counted by its class (`conv2d_4`), as in weights that Keras 3 saved
 * without names; undefined for a layer that the network does not have.
 */
export function countedLayer(architecture: Architecture, layer: string): string | undefined {
  const vgg = isVgg(architecture)
  const convolution = placeOf(layer, 'conv2d')
  if (convolution !== undefined)
    return vgg ? vggConvolutions(architecture)[convolution] : suffixed(resnetUnits(architecture)[convolution], 'conv')
  const norm = placeOf(layer, 'batch_normalization')
  return norm === undefined || vgg ? undefined : suffixed(resnetUnits(architecture)[norm], 'bn')
}

const suffixed = (unit: string | undefined, suffix: string): string | undefined => unit && `${unit}_${suffix}`

/** VGG's linear layers where they are only counted: Keras has no other two of these shapes one after the other. */
export function countedLinear(layer: string, shapeOf: (layer: string) => readonly number[] | undefined): string | undefined {
  const place = placeOf(layer, 'dense')
  const isVggEnd = String(shapeOf('dense')) === '25088,4096' && String(shapeOf('dense_1')) === '4096,4096'
  return place === undefined || !isVggEnd ? undefined : ['fc1', 'fc2', 'predictions'][place]
}
