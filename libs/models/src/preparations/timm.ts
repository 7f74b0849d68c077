import type { Preparation, Size2 } from '../graph.js'
import { definitionOf } from '../networks/index.js'
import { torchvisionPreparation } from '../networks/shared/preparations.js'
import type { TimmSettings } from '../networks/shared/timm.js'
import type { Architecture } from '../types.js'
import { isDeviation, isNumber, isObject, isSide, isTriple } from './fields.js'

/** How one of timm's models prepares its images, and the size it takes. */
export interface TimmPreparation {
  readonly preparation: Preparation
  readonly inputSize: Size2
}

/** timm's way, by the numbers of a `pretrained_cfg`. Mean and deviation are of pixels in [0, 1], in RGB. */
export function timmPreparation(
  [share, resample, side]: TimmSettings,
  { mean, std }: Pick<Preparation, 'mean' | 'std'> = torchvisionPreparation,
): TimmPreparation {
  return { preparation: { channels: 'rgb', divisor: 255, mean, std, resize: { kind: 'share', share }, resample }, inputSize: [side, side] }
}

/** The tags that timm has of an architecture. */
export function timmTags(architecture: Architecture): string[] {
  return Object.keys(definitionOf(architecture)?.timm ?? {}).toSorted()
}

/** How timm prepares images for `ARCHITECTURE.TAG` by default (`use_test_size` off); undefined where it has no such model. */
export function timmTagPreparation(architecture: Architecture, tag: string): TimmPreparation | undefined {
  const known = definitionOf(architecture)?.timm ?? {}
  return Object.hasOwn(known, tag) ? timmPreparation(known[tag]!) : undefined
}

/** Contents of timm's `config.json`: the name of its model, its tag, and how it prepares images. */
export interface TimmConfig {
  readonly name: string
  readonly preparation: Preparation
  readonly inputSize: Size2
}

const usual: readonly unknown[] = ['bicubic', 'bilinear', 'nearest', 'lanczos'] satisfies Preparation['resample'][]
const isUsual = (value: unknown): value is Preparation['resample'] => usual.includes(value)

/**
 * Reads the `config.json` that timm writes beside `model.safetensors`, where it has the usual way: a square, cut at the centre. Undefined
 * for the
 * `config.json` of another library or of another architecture, and for other ways, which are for `preparationFromFile`.
 */
export function timmConfig(value: unknown, architecture: string): TimmConfig | undefined {
  if (!isObject(value) || value['architecture'] !== architecture || !isObject(value['pretrained_cfg'])) return undefined
  const { tag, input_size: size, interpolation, crop_pct: share, crop_mode: mode = 'center', mean, std } = value['pretrained_cfg']
  const side = Array.isArray(size) && size.length === 3 && size[1] === size[2] ? (size[1] as unknown) : undefined
  if (!isSide(side) || !isUsual(interpolation) || !isNumber(share) || share <= 0 || share > 1 || mode !== 'center') return undefined
  if (!isTriple(mean) || !isDeviation(std)) return undefined
  const name = typeof tag === 'string' && tag !== '' ? `timm:${tag}` : 'timm'
  return { name, ...timmPreparation([share, interpolation, side], { mean: [...mean], std: [...std] }) }
}
