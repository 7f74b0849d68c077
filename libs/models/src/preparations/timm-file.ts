import { LayermillError, roundHalfEven } from '@layermill/core'
import type { Preparation, Resample, ResizeRule, Size2 } from '../graph.js'
import { pillowResamples } from '../graph.js'
import { torchvisionPreparation } from '../networks/shared/preparations.js'
import { isDeviation, isNumber, isObject, isSide, isTriple } from './fields.js'
import { timmPreparation } from './timm.js'
import type { FilePreparation } from './transformers.js'

type Triple = Preparation['mean']

/** `pretrained_cfg`, wherever a file of timm has it: in early ones it is the file. */
export function timmSettings(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  if (isObject(value['pretrained_cfg'])) return value['pretrained_cfg']
  return typeof value['architecture'] === 'string' && Array.isArray(value['input_size']) ? value : undefined
}

interface Settings {
  readonly size: Size2
  readonly share: number
  readonly resample: Resample
  readonly mean: Triple
  readonly std: Triple
}

/** Geometry and filter of `transforms_imagenet_eval`. */
function ruleOf(mode: string, { size, share, resample, mean }: Settings): { resize: ResizeRule; resample: Resample } {
  const before: Size2 = [Math.floor(size[0] / share), Math.floor(size[1] / share)]
  const rule = (to: ResizeRule['to'], fill?: Triple): ResizeRule => ({
    kind: 'rule',
    input: size,
    to,
    crop: { size, rounding: 'even', ...(fill === undefined ? {} : { fill }) },
  })
  if (mode === 'squash') return { resize: rule({ by: 'size', size: before }), resample }
  if (mode === 'border') {
    const level = (value: number): number => Math.min(255, Math.max(0, roundHalfEven(255 * value)))
    return { resize: rule({ by: 'contain', size: before }, [level(mean[0]), level(mean[1]), level(mean[2])]), resample }
  }
  if (before[0] === before[1]) return { resize: rule({ by: 'short', side: before[0] }), resample }
  // Its resizing of other rectangles is not told the filter and takes its own default.
  return { resize: rule({ by: 'cover', size: before }), resample: 'bilinear' }
}

/**
 * Reads timm's `config.json`: `pretrained_cfg` as `resolve_data_config` and `create_transform` take it.
 * @param testSize with `test_input_size` and `test_crop_pct` where it has them, as timm on `use_test_size`
 * @throws LayermillError `PREPARATION_INVALID` naming the field
 */
export function timmFilePreparation(value: Readonly<Record<string, unknown>>, where: string, testSize = false): FilePreparation {
  const settings = timmSettings(value) ?? {}
  const invalid = (field: string, expected: string): LayermillError =>
    new LayermillError(
      'PREPARATION_INVALID',
      `${where}: ${field} is ${JSON.stringify(settings[field])?.slice(0, 100) ?? 'missing'}, expected ${expected}`,
    )
  const given = <T>(field: string, fallback: T, is: (found: unknown) => found is T, expected: string): T => {
    const found = settings[field]
    if (found === undefined || found === null || found === 0 || found === '') return fallback
    if (!is(found)) throw invalid(field, expected)
    return found
  }
  const isInput = (found: unknown): found is readonly [number, number, number] =>
    Array.isArray(found) && found.length === 3 && found[0] === 3 && isSide(found[1]) && isSide(found[2])
  const isAbove = (found: unknown): found is number => isNumber(found) && found > 0
  const isFilter = (found: unknown): found is Resample => (pillowResamples as readonly unknown[]).includes(found)
  const isText = (found: unknown): found is string => typeof found === 'string'

  const sizes = '3 channels, height and width in pixels, as [3, 224, 224]'
  const usual = given('input_size', [3, 224, 224] as const, isInput, sizes)
  const [, height, width] = testSize ? given('test_input_size', usual, isInput, sizes) : usual
  const usualShare = given('crop_pct', 0.875, isAbove, 'a number above 0')
  const share = testSize ? given('test_crop_pct', usualShare, isAbove, 'a number above 0') : usualShare
  const resample = given('interpolation', 'bicubic', isFilter, `one of ${pillowResamples.join(', ')}`)
  const mean = given('mean', torchvisionPreparation.mean, isTriple, 'three numbers')
  const std = given('std', torchvisionPreparation.std, isDeviation, 'three numbers above 0')
  const mode = given('crop_mode', 'center', isText, 'center, squash or border')
  const tag = given('tag', '', isText, 'a name')

  const name = `timm${tag === '' ? '' : `:${tag}`}`
  const isPlain = height === width && share <= 1 && mode !== 'squash' && mode !== 'border' && resample !== 'box' && resample !== 'hamming'
  if (isPlain) return { name, ...timmPreparation([share, resample, height], { mean: [...mean], std: [...std] }) }
  const inputSize: Size2 = [height, width]
  const rule = ruleOf(mode, { size: inputSize, share, resample, mean, std })
  return { name, inputSize, preparation: { channels: 'rgb', divisor: 255, mean: [...mean], std: [...std], ...rule } }
}
