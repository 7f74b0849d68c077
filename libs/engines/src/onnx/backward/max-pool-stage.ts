import type { NodeOf } from '@layermill/models'
import type { TrainingContext } from './context.js'
import type { Axis } from './selection.js'

/** Max pooling along one axis. */
export interface Stage {
  readonly axis: Axis
  readonly attributes: NodeOf<'maxPool'>['attributes']
  /** Of what the windows look at, [channels, height, width]. */
  readonly shape: readonly [channels: number, height: number, width: number]
  /** Windows along the axis. */
  readonly windows: number
  /** ONNX values: what the windows look at, and their maxima. */
  readonly input: string
  readonly output: string
}

/** Cells along a stage's axis. */
export function lengthOf({ axis, shape }: Stage): number {
  return shape[1 + axis]!
}

/**
 * Of each window's gradient what each position gets: all for the first that holds the maximum.
 * @param isMaximum gives 1 for each window whose cell at a position is its maximum, else 0; not asked for the last, which gets the rest
 */
export function shares(
  context: TrainingContext,
  { attributes, axis }: Stage,
  gradient: string,
  isMaximum: (position: number) => string,
): string[] {
  const last = attributes.kernel[axis] - 1
  const parts: string[] = []
  let rest = gradient
  for (let position = 0; position < last; position++) {
    const share = context.op('Mul', [rest, isMaximum(position)])
    rest = context.op('Sub', [rest, share])
    parts.push(share)
  }
  return [...parts, rest]
}
