import type { ManifestRow } from '@layermill/storage'
import type { FailedImage, FinishedRow } from './compute-rows.js'

/** Rule for an image whose values cannot be written as they are. */
export type OverflowRule = 'fail' | 'warn'

/** From here on float16 rounds to infinity: halfway between its largest number, 65504, and the next one it would have. */
const float16Limit = 65_520

/** How many of a layer's values are no finite numbers once written. */
interface Faults {
  readonly layer: string
  /** Of all its values. */
  readonly values: number
  /** NaN or infinite as the network computed them. */
  readonly notFinite: number
  /** Finite, and too large for the dtype. */
  readonly tooLarge: number
}

function faultsOf(layer: string, values: Float32Array, dtype: string): Faults {
  let notFinite = 0
  let tooLarge = 0
  const limit = dtype === 'float16' ? float16Limit : Infinity
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!)
    // NaN is not below the limit either.
    if (size < limit) continue
    if (size < Infinity) tooLarge++
    else notFinite++
  }
  return { layer, values: values.length, notFinite, tooLarge }
}

function describe({ layer, values, notFinite, tooLarge }: Faults, dtype: string): string {
  const texts = [
    ...(tooLarge > 0 ? [`${tooLarge} of ${values} values of ${layer} are too large for ${dtype} (largest 65504)`] : []),
    ...(notFinite > 0
      ? [`${notFinite} of ${values} values of ${layer} are no finite numbers (NaN or infinite) as the network computes them`]
      : []),
  ]
  return texts.join('; ')
}

/** The rule of a run: predictions are of no use with values that are no numbers. */
export function overflowRule(spec: { readonly kind: string; readonly onOverflow?: OverflowRule | undefined }): OverflowRule {
  return spec.onOverflow ?? 'fail'
}

/**
 * Looks at the values of an image before they are written: those that would be NaN or infinite in the file fail the image, or are counted.
 * @param row its values by layer, pooled, as float32
 * @param dtype of the files
 * @returns the row, with the count where there are some and the rule is `warn`; else the failed image, `VALUE_OVERFLOW`
 */
export function checkRange(
  row: FinishedRow<ManifestRow>,
  dtype: string,
  rule: OverflowRule,
): FinishedRow<ManifestRow> | FailedImage<ManifestRow> {
  const faults = [...row.values]
    .map(([layer, values]) => faultsOf(layer, values, dtype))
    .filter(({ notFinite, tooLarge }) => notFinite + tooLarge > 0)
  if (faults.length === 0) return row
  if (rule === 'warn') return { ...row, overflow: faults.reduce((sum, { notFinite, tooLarge }) => sum + notFinite + tooLarge, 0) }
  const large = faults.some(({ tooLarge }) => tooLarge > 0)
  const advice = large
    ? ' (--dtype float32 holds them; --on-overflow warn writes them as infinite)'
    : ' (--on-overflow warn writes them all the same)'
  return {
    kind: 'failed',
    row: row.row,
    code: 'VALUE_OVERFLOW',
    reason: `${faults.map(fault => describe(fault, dtype)).join('; ')}${advice}`,
  }
}
