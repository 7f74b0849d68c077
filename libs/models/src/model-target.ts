import { type HeadSlice, type SliceTarget, sliceTargets } from './heads.js'

/** Answers of one target of a model where they are not one class of several. */
export type OneTarget =
  | {
      readonly kind: 'multi-label'
      /** Probability above which each class is given, 0 to 1. */
      readonly thresholds: readonly number[]
    }
  | { readonly kind: 'regression' }

/** One of several targets of a model, in the order of the scores. */
export interface ModelHead {
  readonly name: string
  readonly classes: readonly string[]
  /** Undefined where it is one class of several. */
  readonly target: OneTarget | undefined
}

/** Answers of a model where they are not one class of several. */
export type ModelTarget = OneTarget | { readonly kind: 'mixed'; readonly heads: readonly ModelHead[] }

/** Facts on a model's answers, as its description or the metadata of its file has them. */
export interface TargetFacts {
  readonly target?: string | undefined
  /** By class; one half each where they do not fit. */
  readonly thresholds?: unknown
  /** Of a mixed target. */
  readonly slices?: unknown
}

const isText = (value: unknown): value is string => typeof value === 'string'

function isSlice(value: unknown): value is HeadSlice {
  if (typeof value !== 'object' || value === null) return false
  const { name, target, classes } = value as Record<string, unknown>
  return isText(name) && sliceTargets.includes(target as SliceTarget) && Array.isArray(classes) && classes.every(isText)
}

/** One name for each score of a mixed target: `species:cat` of a class, the target's own of a single number. */
export const sliceOutputs = ({ name, target, classes }: HeadSlice): string[] =>
  target === 'regression' && classes.length === 1 ? [name] : classes.map(label => `${name}:${label}`)

/**
 * The target of a model that says so.
 * @param classes number of its scores
 */
export function modelTarget({ target, thresholds, slices }: TargetFacts, classes: number): ModelTarget | undefined {
  if (target === 'regression') return { kind: target }
  const list: readonly unknown[] = Array.isArray(thresholds) ? thresholds : []
  const fits = list.length === classes && list.every((value): value is number => typeof value === 'number' && value >= 0 && value <= 1)
  const found = fits ? list : Array.from({ length: classes }, () => 0.5)
  if (target === 'multi-label') return { kind: target, thresholds: found }
  if (target !== 'mixed' || !Array.isArray(slices) || !slices.every(isSlice)) return undefined
  let from = 0
  const heads = slices.map(({ name, target: kind, classes: own }): ModelHead => {
    const part = found.slice(from, (from += own.length))
    return { name, classes: own, target: kind === 'class' ? undefined : kind === 'regression' ? { kind } : { kind, thresholds: part } }
  })
  return from === classes ? { kind: 'mixed', heads } : undefined
}
