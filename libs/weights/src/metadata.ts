import { LayermillError } from '@layermill/core'
import { type GraphVariant, kerasEpsilon, type WeightsPreparation } from '@layermill/models'
import { canonicalVariant } from './identity.js'
import type { TensorFile, WeightOrigin, WeightSet } from './types.js'

/** Keys of the texts that files written here carry: in a safetensors' `__metadata__`, in an npz's comment. */
export const metadataKeys = {
  network: 'layermill.network',
  variant: 'layermill.variant',
  source: 'layermill.source',
  origin: 'layermill.origin',
  labels: 'layermill.labels',
  sha256: 'layermill.sha256',
  missingAuxiliary: 'layermill.missing_auxiliary',
  preparation: 'layermill.preparation',
} as const

const preparationText = ({ name, preparation, inputSize }: WeightsPreparation): string => JSON.stringify({ name, preparation, inputSize })

/** Metadata that a file written here has of its weights. */
export function metadataOf(network: string, weights: Omit<WeightSet, 'tensors' | 'format'>): Record<string, string> {
  return {
    format: 'pt',
    [metadataKeys.network]: network,
    [metadataKeys.variant]: canonicalVariant(weights.variant),
    [metadataKeys.source]: weights.source,
    ...(weights.origin === undefined ? {} : { [metadataKeys.origin]: weights.origin }),
    [metadataKeys.sha256]: weights.sha256,
    ...(weights.preparation === undefined ? {} : { [metadataKeys.preparation]: preparationText(weights.preparation) }),
    ...(weights.labels === undefined ? {} : { [metadataKeys.labels]: JSON.stringify(weights.labels) }),
    ...(weights.missingAuxiliary === true ? { [metadataKeys.missingAuxiliary]: 'true' } : {}),
  }
}

/**
 * The variant that a file written here names; undefined in others' files.
 * @throws LayermillError `WEIGHTS_FORMAT` when it is not one.
 */
export function metadataVariant(file: TensorFile): GraphVariant | undefined {
  const text = file.metadata.get(metadataKeys.variant)
  if (text === undefined) return undefined
  const malformed = (): LayermillError =>
    new LayermillError('WEIGHTS_FORMAT', `${file.name} names a graph variant that is not one: ${text}`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed()
  }
  if (typeof value !== 'object' || value === null) throw malformed()
  const { batchNormEpsilon, stemPool, classes, auxiliaryClasses, without, ...others } = value as Record<string, unknown>
  if (Object.keys(others).length > 0) throw malformed()
  if (batchNormEpsilon !== undefined && !(typeof batchNormEpsilon === 'number' && batchNormEpsilon > 0 && batchNormEpsilon < 1))
    throw malformed()
  if (stemPool !== undefined && stemPool !== 'cover' && stemPool !== 'padded') throw malformed()
  for (const count of [classes, auxiliaryClasses])
    if (count !== undefined && !(typeof count === 'number' && Number.isSafeInteger(count) && count > 0)) throw malformed()
  if (without !== undefined && !(Array.isArray(without) && without.length > 0 && without.every(name => typeof name === 'string')))
    throw malformed()
  const variant = { batchNormEpsilon, stemPool, classes, auxiliaryClasses, without }
  return Object.fromEntries(Object.entries(variant).filter(([, field]) => field !== undefined)) as GraphVariant
}

const origins: readonly string[] = ['chainer', 'caffe', 'keras', 'torchvision', 'timm', 'transformers', 'random'] satisfies WeightOrigin[]

/** Whose weights a file written here holds, as it says itself or as its variant tells; undefined in others' files. */
export function metadataOrigin(file: TensorFile): WeightOrigin | undefined {
  const named = file.metadata.get(metadataKeys.origin)
  if (named !== undefined && origins.includes(named)) return named as WeightOrigin
  return metadataVariant(file)?.batchNormEpsilon === kerasEpsilon ? 'keras' : undefined
}
