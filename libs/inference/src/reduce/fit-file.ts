import { createHash } from 'node:crypto'
import { layerFolder } from '@layermill/contracts'
import { LayermillError, readSafetensors, safetensorsHeader, type SafetensorsItem, safetensorsText } from '@layermill/core'

/** Numbers of a sample that a reduction computes with. */
export interface ReductionFit {
  /** The rule it is of. */
  readonly rule: string
  /** Means of the columns of what comes in (pca), or of what comes out (center). */
  readonly mean: Float64Array
  /** One a row, as long as the mean; none where only the mean is needed. */
  readonly components: Float64Array
  readonly explainedVariance: Float64Array
  readonly totalVariance: number
  /** Keys of the images, in the order of their hashes. */
  readonly sample: readonly string[]
}

/** Path of a layer's fit in a run's store. */
export const reductionPath = (layer: string): string => `reduction/${layerFolder(layer)}.safetensors`

/** A fit as a safetensors file in float64: `mean`, `components`, `explained_variance`; rule and sample are in the metadata. */
export function encodeFit({ rule, mean, components, explainedVariance, totalVariance, sample }: ReductionFit): Uint8Array {
  const count = explainedVariance.length
  const tensors = [
    { name: 'mean', shape: [mean.length], data: mean },
    { name: 'components', shape: [count, count === 0 ? 0 : components.length / count], data: components },
    { name: 'explained_variance', shape: [count], data: explainedVariance },
  ]
  const items: SafetensorsItem[] = tensors.map(({ name, shape, data }) => ({ name, dtype: 'F64', shape, bytes: data.byteLength }))
  const metadata = { rule, sample: JSON.stringify(sample), total_variance: String(totalVariance) }
  const header = safetensorsHeader(safetensorsText(items, metadata), 8)
  return Buffer.concat([header, ...tensors.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))])
}

/** @throws LayermillError `FEATURES_INVALID` where the file is missing or not such a one */
export function decodeFit(bytes: Uint8Array | undefined, where: string): ReductionFit {
  const invalid = (what: string): LayermillError => new LayermillError('FEATURES_INVALID', `${where}: ${what}`)
  if (bytes === undefined) throw invalid('is missing, and the run is reduced by it')
  try {
    const { metadata, tensors } = readSafetensors(bytes)
    const read = (name: string): Float64Array => new Float64Array(tensors.get(name)!.data.buffer)
    return {
      rule: metadata['rule']!,
      mean: read('mean'),
      components: read('components'),
      explainedVariance: read('explained_variance'),
      totalVariance: Number(metadata['total_variance']),
      sample: JSON.parse(metadata['sample']!) as string[],
    }
  } catch (cause) {
    throw new LayermillError('FEATURES_INVALID', `${where}: not a reduction`, { cause })
  }
}

/** One hash of all fits of a run, in the order of their layers. */
export function fitsHash(files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha256')
  for (const [layer, bytes] of files) hash.update(`${layer} ${createHash('sha256').update(bytes).digest('hex')}\n`)
  return hash.digest('hex')
}
