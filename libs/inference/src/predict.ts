import type { ModelTarget, OneTarget } from '@layermill/models'

/** One of the likeliest classes of an image. */
export interface ClassScore {
  readonly index: number
  readonly label: string
  /** 0..1. */
  readonly probability: number
}

/** The `top` likeliest classes, likeliest first; ties in the order of the classes. */
export function topClasses(probabilities: Float32Array, labels: readonly string[], top: number): ClassScore[] {
  return Array.from(probabilities, (probability, index) => ({ index, label: labels[index] ?? `class ${index}`, probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, top)
}

/** A number that a model gives of an image. */
export interface NumberValue {
  readonly label: string
  readonly value: number
}

/** Answer of one target of a model to an image. */
export interface HeadAnswer {
  /** Likeliest first; none where the target is numbers. */
  readonly classes: readonly ClassScore[]
  /** Of a target with several labels an image: those whose probability is above their threshold, likeliest first. */
  readonly labels?: readonly string[]
  /** Of numbers. */
  readonly values?: readonly NumberValue[]
}

/** Answer of a model to an image. */
export interface ImageAnswer extends HeadAnswer {
  /** Of a model with several targets, by name; `classes` is empty then. */
  readonly heads?: Readonly<Record<string, HeadAnswer>>
}

interface Asked<Target> {
  /** Names of the scores. */
  readonly labels: readonly string[]
  readonly target?: Target | undefined
  /** Classes to give. */
  readonly top: number
}

function oneAnswer(values: Float32Array, { labels, target, top }: Asked<OneTarget>): HeadAnswer {
  if (target?.kind === 'regression') {
    return { classes: [], values: Array.from(values, (value, i) => ({ label: labels[i] ?? `value ${i}`, value })) }
  }
  const classes = topClasses(values, labels, top)
  if (target === undefined) return { classes }
  const given = topClasses(values, labels, values.length).filter(({ index, probability }) => probability > target.thresholds[index]!)
  return { classes, labels: given.map(({ label }) => label) }
}

/**
 * Answer of a model to an image.
 * @param values at the network's probabilities, or its numbers; of several targets end to end
 */
export function answerOf(values: Float32Array, { labels, target, top }: Asked<ModelTarget>): ImageAnswer {
  if (target?.kind !== 'mixed') return oneAnswer(values, { labels, target, top })
  let from = 0
  const heads = target.heads.map(({ name, classes, target: own }): [string, HeadAnswer] => {
    const part = values.subarray(from, (from += classes.length))
    return [name, oneAnswer(part, { labels: classes, target: own, top })]
  })
  return { classes: [], heads: Object.fromEntries(heads) }
}
