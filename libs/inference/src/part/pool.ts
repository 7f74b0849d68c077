import { elementCount } from '@layermill/core'

export type PoolKind = 'none' | 'avg' | 'max'

/** A row's shape once pooled: feature maps [C, H, W] become [C]; anything else stays. */
export function pooledShape(shape: readonly number[], kind: PoolKind): readonly number[] {
  return kind === 'none' || shape.length !== 3 ? shape : [shape[0]!]
}

/** Mean (in double precision) or maximum of each channel of a feature map [C, H, W]. */
function poolChannels(row: Float32Array, channels: number, kind: 'avg' | 'max'): Float32Array {
  const cells = row.length / channels
  const pooled = new Float32Array(channels)
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * cells
    let value = kind === 'avg' ? 0 : -Infinity
    for (let i = start; i < start + cells; i++) {
      if (kind === 'avg') value += row[i]!
      else if (row[i]! > value) value = row[i]!
    }
    pooled[channel] = kind === 'avg' ? value / cells : value
  }
  return pooled
}

/** One image's activation as it is stored: the feature map itself, or pooled to one number a channel. */
export function poolRow(row: Float32Array, shape: readonly number[], kind: PoolKind): Float32Array {
  if (row.length !== elementCount(shape)) throw new RangeError(`row of ${row.length} numbers for shape ${shape.join('x')}`)
  return kind === 'none' || shape.length !== 3 ? row : poolChannels(row, shape[0]!, kind)
}
