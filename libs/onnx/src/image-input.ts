import type { Graph } from './read/normalise.js'
import { unsupported } from './invalid.js'
import { type Dim, double, elementName, float, float16, int8, uint8, type ValueDef } from './types.js'

/** The input that takes the images. */
export interface ImageInput {
  readonly name: string
  /** TensorProto.DataType. */
  readonly type: number
  readonly layout: 'nchw' | 'nhwc'
  /** A size that is fixed, or a name (''; none) for one that is free. */
  readonly batch: Dim
  readonly height: Dim
  readonly width: Dim
}

const types: readonly number[] = [float, float16, uint8, int8, double]

function layoutOf(shape: readonly Dim[]): ImageInput['layout'] | undefined {
  if (shape[1] === 3) return 'nchw'
  if (shape[3] === 3) return 'nhwc'
  return typeof shape[1] === 'string' ? 'nchw' : undefined
}

function imageInput(value: ValueDef): ImageInput | undefined {
  const { name, type, shape } = value
  const layout = shape?.length === 4 && types.includes(type) ? layoutOf(shape) : undefined
  if (shape === undefined || layout === undefined) return undefined
  const [height, width] = layout === 'nchw' ? [shape[2]!, shape[3]!] : [shape[1]!, shape[2]!]
  return { name, type, layout, batch: shape[0]!, height, width }
}

/** An input in words: `mask: float32 batch x 16 x 1`. */
export const describeInput = ({ name, type, shape }: ValueDef): string =>
  `${name}: ${type === 0 ? 'no tensor' : elementName(type)}${shape === undefined ? '' : ` ${shape.map(dim => (dim === '' ? '?' : dim)).join(' x ')}`}`

/**
 * The input that takes images: of four dimensions, three of them channels, in front or behind.
 * @throws LayermillError `ONNX_UNSUPPORTED` where there is none
 */
export function findImageInput(graph: Graph, file: string): ImageInput {
  const images = graph.inputs.map(imageInput).filter(input => input !== undefined)
  const certain = images.find(({ name }) => graph.inputs.find(input => input.name === name)!.shape!.includes(3))
  const input = certain ?? images[0]
  if (input !== undefined) return input
  throw unsupported(
    file,
    `it has no input for images; expected one of N x 3 x height x width or N x height x width x 3, and found ${graph.inputs.map(describeInput).join('; ') || 'no input'}`,
  )
}
