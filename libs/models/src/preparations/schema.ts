import { isDeviation, isNumber, isObject, isShare, isSide, isSize, isTriple } from './fields.js'
import { type Preparation, type Resample, resamples, type ResizeRule, type ResizeTarget, type Size2 } from '../graph.js'

export { timmConfig } from './timm.js'

type Triple = Preparation['mean']

const isResample = (value: unknown): value is Resample => (resamples as readonly unknown[]).includes(value)
/** Filters that networks' tables and flags ask for. */
const usual: readonly Resample[] = ['bicubic', 'bilinear', 'nearest', 'lanczos']

/** A field that may be left out, or null as JSON has it; `false` where it is there and is not what it should be. */
function optional<T>(value: unknown, read: (value: unknown) => T | undefined): T | undefined | false {
  return value === undefined || value === null ? undefined : (read(value) ?? false)
}

const sizeOf = (value: unknown): Size2 | undefined => (isSize(value) ? [value[0], value[1]] : undefined)
const sideOf = (value: unknown): number | undefined => (isSide(value) ? value : undefined)

function targetOf(value: unknown): ResizeTarget | undefined {
  if (!isObject(value)) return undefined
  const { by, side, multiple } = value
  const size = sizeOf(value['size'])
  if (by === 'none') return { by }
  if (by === 'size' || by === 'within' || by === 'cover' || by === 'contain') return size && { by, size }
  if (by === 'long') return isSide(side) ? { by, side } : undefined
  if (by === 'near') return size && isSide(multiple) ? { by, size, multiple } : undefined
  if (by === 'own') return isSide(multiple) ? { by, multiple } : undefined
  const [longest, step, down] = [value['longest'], multiple, value['down']].map(given => optional(given, sideOf))
  if (!isSide(side) || longest === false || step === false || down === false) return undefined
  if (by === 'between') return longest === undefined || step === undefined ? undefined : { by, side, longest, multiple: step }
  if (by !== 'short') return undefined
  return {
    by,
    side,
    ...(longest === undefined ? {} : { longest }),
    ...(step === undefined ? {} : { multiple: step }),
    ...(down === undefined ? {} : { down }),
  }
}

const isLevel = (value: unknown): boolean => isNumber(value) && Number.isInteger(value) && value >= 0 && value <= 255

function cropOf(value: unknown): ResizeRule['crop'] {
  if (!isObject(value)) return undefined
  const size = sizeOf(value['size'])
  const { rounding } = value
  const of = optional(value['of'], sizeOf)
  const fill = optional(value['fill'], triple => (isTriple(triple) && triple.every(isLevel) ? ([...triple] as const) : undefined))
  if (size === undefined || (rounding !== 'floor' && rounding !== 'trunc' && rounding !== 'even') || fill === false || of === false)
    return undefined
  return { size, ...(of === undefined ? {} : { of }), rounding, ...(fill === undefined ? {} : { fill }) }
}

function ruleOf(value: Record<string, unknown>): ResizeRule | undefined {
  const to = targetOf(value['to'])
  const input = optional(value['input'], sizeOf)
  const before = optional(value['before'], pair =>
    Array.isArray(pair) && pair.length === 2 && pair.every(share => isNumber(share) && share > 0 && share <= 16)
      ? ([Number(pair[0]), Number(pair[1])] as const)
      : undefined,
  )
  const crop = optional(value['crop'], cropOf)
  const pad = optional(value['pad'], sizeOf)
  if (to === undefined || input === false || before === false || crop === false || pad === false) return undefined
  return {
    kind: 'rule',
    ...(input === undefined ? {} : { input }),
    ...(before === undefined ? {} : { before }),
    to,
    ...(crop === undefined ? {} : { crop }),
    ...(pad === undefined ? {} : { pad }),
    ...(value['around'] === true ? { around: true } : {}),
  }
}

function resizeOf(value: unknown): Preparation['resize'] | undefined {
  if (!isObject(value)) return undefined
  const { kind, shortSide, share } = value
  if (kind === 'exact') return { kind }
  if (kind === 'rule') return ruleOf(value)
  if (kind === 'crop' && isSide(shortSide)) return { kind, shortSide }
  return kind === 'share' && isShare(share) ? { kind, share } : undefined
}

function againOf(value: unknown): Preparation['again'] {
  if (!Array.isArray(value) || value.length > 8) return undefined
  const steps: { mean: Triple; std: Triple }[] = []
  for (const step of value as unknown[]) {
    if (!isObject(step) || !isTriple(step['mean']) || !isDeviation(step['std'])) return undefined
    steps.push({ mean: [...step['mean']], std: [...step['std']] })
  }
  return steps
}

/** A preparation from JSON that somebody wrote; undefined where it is none. */
export function preparationFrom(value: unknown): Preparation | undefined {
  if (!isObject(value)) return undefined
  const { channels, divisor, mean, std, resample } = value
  const resize = resizeOf(value['resize'])
  const again = optional(value['again'], againOf)
  if ((channels !== 'bgr' && channels !== 'rgb') || !isNumber(divisor) || divisor <= 0) return undefined
  if (!isTriple(mean) || !isDeviation(std) || resize === undefined || again === false || !isResample(resample)) return undefined
  // Fields that the tables' own kinds never have are a mistake there; files of libraries give rules.
  if (resize.kind !== 'rule' && ((divisor !== 1 && divisor !== 255) || !usual.includes(resample))) return undefined
  const normalisations = again === undefined || again.length === 0 ? {} : { again }
  return { channels, divisor, mean: [...mean], std: [...std], ...normalisations, resize, resample }
}

/** A preparation's numbers besides the filter, with their fields in one order, whoever wrote them. */
export function inputOf({ channels, divisor, mean, std, again, resize }: Omit<Preparation, 'resample'>): Omit<Preparation, 'resample'> {
  const normalisations = again === undefined || again.length === 0 ? {} : { again: againOf(again)! }
  return { channels, divisor, mean: [...mean], std: [...std], ...normalisations, resize: resizeOf(resize) ?? resize }
}
