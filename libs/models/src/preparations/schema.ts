import type { Preparation, Size2 } from '../graph.js'
import { timmPreparation } from './timm.js'

type Numbers = readonly [number, number, number]

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const isTriple = (value: unknown): value is Numbers => Array.isArray(value) && value.length === 3 && value.every(isNumber)
const isDeviation = (value: unknown): value is Numbers => isTriple(value) && value.every(number => number > 0)
const isSide = (value: unknown): value is number => isNumber(value) && Number.isInteger(value) && value > 0 && value <= 16_384
const resamples: readonly unknown[] = ['bicubic', 'bilinear', 'nearest', 'lanczos']
const isResample = (value: unknown): value is Preparation['resample'] => resamples.includes(value)

function resizeOf(value: unknown): Preparation['resize'] | undefined {
  if (!isObject(value)) return undefined
  const { kind, shortSide, share } = value
  if (kind === 'exact') return { kind }
  if (kind === 'crop' && isSide(shortSide)) return { kind, shortSide }
  return kind === 'share' && isNumber(share) && share > 0 && share <= 1 ? { kind, share } : undefined
}

/** A preparation from JSON that somebody wrote; undefined where it is none. */
export function preparationFrom(value: unknown): Preparation | undefined {
  if (!isObject(value)) return undefined
  const { channels, divisor, mean, std, resample } = value
  const resize = resizeOf(value['resize'])
  if ((channels !== 'bgr' && channels !== 'rgb') || (divisor !== 1 && divisor !== 255)) return undefined
  if (!isTriple(mean) || !isDeviation(std) || resize === undefined || !isResample(resample)) return undefined
  return { channels, divisor, mean: [...mean], std: [...std], resize, resample }
}

/** Contents of timm's `config.json`: the name of its model, its tag, and how it prepares images. */
export interface TimmConfig {
  readonly name: string
  readonly preparation: Preparation
  readonly inputSize: Size2
}

/**
 * Reads the `config.json` that timm writes beside `model.safetensors`. Undefined for the `config.json` of another library, of another
 * architecture, or with a way of cutting that is not known here: the weights' names then decide.
 */
export function timmConfig(value: unknown, architecture: string): TimmConfig | undefined {
  if (!isObject(value) || value['architecture'] !== architecture || !isObject(value['pretrained_cfg'])) return undefined
  const { tag, input_size: size, interpolation, crop_pct: share, crop_mode: mode = 'center', mean, std } = value['pretrained_cfg']
  const side = Array.isArray(size) && size.length === 3 && size[1] === size[2] ? (size[1] as unknown) : undefined
  if (!isSide(side) || !isResample(interpolation) || !isNumber(share) || share <= 0 || share > 1 || mode !== 'center') return undefined
  if (!isTriple(mean) || !isDeviation(std)) return undefined
  const name = typeof tag === 'string' && tag !== '' ? `timm:${tag}` : 'timm'
  return { name, ...timmPreparation([share, interpolation, side], { mean: [...mean], std: [...std] }) }
}
