import { formatShape, LayermillError, type Tensor } from '@layermill/core'
import type { Size2 } from '@layermill/models'

/** Width, then height, as people write it. */
export const sizeText = ([height, width]: Size2): string => `${width}x${height}`

/**
 * Checks that a tensor is a batch of images, of the one size where there is one.
 * @returns height and width
 * @throws LayermillError `INPUT_SHAPE`, `INPUT_SIZE`
 */
export function checkImages({ shape, data }: Tensor, inputSize: Size2 | undefined): Size2 {
  const [count, channels, height, width] = shape
  if (shape.length !== 4 || channels !== 3 || count! < 1 || height! < 1 || width! < 1) {
    throw new LayermillError('INPUT_SHAPE', `images must be Nx3xHxW with N >= 1, not ${formatShape(shape)}`)
  }
  const expected = shape.reduce((product, size) => product * size, 1)
  if (data.length !== expected) {
    throw new LayermillError('INPUT_SHAPE', `images of ${formatShape(shape)} have ${expected} values, not ${data.length}`)
  }
  const size: Size2 = [height!, width!]
  if (inputSize !== undefined && (inputSize[0] !== size[0] || inputSize[1] !== size[1])) {
    throw new LayermillError('INPUT_SIZE', `this extractor takes images of ${sizeText(inputSize)} (width x height), not ${sizeText(size)}`)
  }
  return size
}
