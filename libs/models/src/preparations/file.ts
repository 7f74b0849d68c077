import { LayermillError } from '@layermill/core'
import { isDeviation, isObject, isSide, isSize, isTriple } from './fields.js'
import { preparationFrom } from './schema.js'
import { timmFilePreparation, timmSettings } from './timm-file.js'
import { torchvisionPreset } from './torchvision-weights.js'
import { type FilePreparation, type ProcessorFileOptions, transformersPreparation } from './transformers.js'

/** Libraries whose files say how pictures are prepared. */
export type PreparationLibrary = 'layermill' | 'transformers' | 'timm' | 'torchvision'

export interface PreparationFileOptions extends ProcessorFileOptions {
  /** Whose file it is; left out, its fields tell. */
  readonly library?: PreparationLibrary | undefined
  /** timm's larger size for tests, where a file has one. */
  readonly testSize?: boolean | undefined
}

/** The library whose fields a file has; undefined where they are no library's. */
export function libraryOf(value: Readonly<Record<string, unknown>>): PreparationLibrary | undefined {
  if (isObject(value['preparation']) || ('channels' in value && 'resize' in value)) return 'layermill'
  if (timmSettings(value) !== undefined) return 'timm'
  const isProcessor = ['image_processor_type', 'feature_extractor_type', 'do_resize', 'do_normalize', 'do_rescale', 'image_mean']
  if (isObject(value['image_processor']) || isProcessor.some(field => field in value)) return 'transformers'
  return 'crop_size' in value || isObject(value['transforms']) ? 'torchvision' : undefined
}

/** A file of ours: `{"preparation": ..., "inputSize": [224, 224]}`, as weights have it in their metadata, or a `model.json`. */
function ownPreparation(value: Readonly<Record<string, unknown>>, where: string): FilePreparation {
  const held = isObject(value['preparation']) ? value['preparation'] : value
  // model.json has the filter beside the numbers, and the size by its names.
  const isModel = isObject(held['input'])
  const preparation = preparationFrom(isModel ? { ...(held['input'] as object), resample: held['resample'] } : held)
  if (preparation === undefined) {
    throw new LayermillError(
      'PREPARATION_INVALID',
      `${where}: expected channels, divisor, mean, std, resize and resample, as \`layermill models prepare --json\` gives them`,
    )
  }
  const size = isModel ? [held['height'], held['width']] : value['inputSize']
  const { name } = value
  return {
    name: typeof name === 'string' && name !== '' ? name : 'file',
    preparation,
    ...(isSize(size)
      ? { inputSize: [size[0], size[1]] as const }
      : preparation.resize.kind === 'rule' && preparation.resize.input !== undefined
        ? { inputSize: preparation.resize.input }
        : {}),
  }
}

/** The arguments of torchvision's `ImageClassification`, as its weights have them. */
function torchvisionFile(value: Readonly<Record<string, unknown>>, where: string): FilePreparation {
  const settings = isObject(value['transforms']) ? value['transforms'] : value
  const single = (field: string, fallback?: number): number => {
    const found = settings[field] ?? fallback
    const side = Array.isArray(found) && found.length === 1 ? (found[0] as unknown) : found
    if (!isSide(side)) throw new LayermillError('PREPARATION_INVALID', `${where}: ${field} is no whole number of pixels`)
    return side
  }
  const { mean, std, interpolation = 'bilinear' } = settings
  const isKnown = interpolation === 'bilinear' || interpolation === 'bicubic' || interpolation === 'nearest' || interpolation === 'lanczos'
  if ((mean !== undefined && !isTriple(mean)) || (std !== undefined && !isDeviation(std)) || !isKnown) {
    throw new LayermillError(
      'PREPARATION_INVALID',
      `${where}: expected mean and std of three channels, and interpolation bilinear, bicubic, nearest or lanczos`,
    )
  }
  const normalisation = mean === undefined || std === undefined ? undefined : { mean: [...mean] as const, std: [...std] as const }
  const { weights } = value
  return {
    name: typeof weights === 'string' ? `torchvision:${weights}` : 'torchvision',
    ...torchvisionPreset(single('resize_size', 256), single('crop_size'), interpolation, normalisation),
  }
}

/**
 * The preparation that a library's file says: transformers' `preprocessor_config.json` (or `processor_config.json`, which holds it), timm's
 * `config.json`, torchvision's presets, or our own JSON.
 * @throws LayermillError `PREPARATION_INVALID` naming the file and the field
 */
export function preparationFromFile(
  value: unknown,
  { where, library, modelType, testSize, tensors }: PreparationFileOptions,
): FilePreparation {
  const found = isObject(value) ? (library ?? libraryOf(value)) : undefined
  if (!isObject(value) || found === undefined) {
    throw new LayermillError('PREPARATION_INVALID', `${where} does not say how images are prepared`, {
      hint: "expected transformers' preprocessor_config.json, timm's config.json with pretrained_cfg, or a preparation of ours",
    })
  }
  if (tensors === true && found !== 'transformers')
    throw new LayermillError('PREPARATION_INVALID', `${where}: only files of transformers have a torchvision variant`)
  // transformers' wrapper of timm's models has timm's settings in its own file.
  if (found === 'timm' || isObject(value['pretrained_cfg'])) return timmFilePreparation(value, where, testSize)
  if (found === 'torchvision') return torchvisionFile(value, where)
  if (found === 'layermill') return ownPreparation(value, where)
  const settings = isObject(value['image_processor']) ? value['image_processor'] : value
  return transformersPreparation(settings, { where, modelType, tensors })
}

/** Keys of texts that a file of a network may carry beside its graph, ours first. */
const metadataKeys = [
  'layermill.preparation',
  'preprocessor_config',
  'preprocessor_config.json',
  'image_processor',
  'pretrained_cfg',
  'transforms',
]

/**
 * The preparation that a network's own file carries among its texts (`metadata_props` of ONNX): ours, or a library's file as JSON.
 * Undefined where there is none.
 * @throws LayermillError `PREPARATION_INVALID` naming the key
 */
export function preparationFromMetadata(metadata: ReadonlyMap<string, string>, where: string): FilePreparation | undefined {
  const key = metadataKeys.find(candidate => metadata.has(candidate))
  if (key === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(metadata.get(key)!)
  } catch {
    throw new LayermillError('PREPARATION_INVALID', `${where}: its text '${key}' is not JSON`)
  }
  // Ours is the field of a model.json that has this name.
  const isOwn = isObject(value) && !('preparation' in value) && key === 'layermill.preparation'
  const wrapped = isOwn
    ? { preparation: value }
    : key === 'pretrained_cfg'
      ? { pretrained_cfg: value }
      : key === 'transforms'
        ? { transforms: value }
        : value
  return preparationFromFile(wrapped, { where: `${where}, its text '${key}'` })
}
