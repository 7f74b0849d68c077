import { LayermillError, type Tensor } from '@layermill/core'
import { lossTargets } from './loss.js'
import { type OneTargetSpec, targetRows } from './targets.js'

/** One of several targets that are learned together. */
export interface MixedHead {
  readonly name: string
  /** Names of its own classes, or of its numbers, in the order of its scores. */
  readonly classes: readonly string[]
  /** Factor of its loss. */
  readonly weight: number
  readonly target: OneTargetSpec | ClassTargetSpec
}

/** One class of several, among other targets. */
export interface ClassTargetSpec {
  readonly kind: 'class'
  readonly classWeights?: readonly number[] | undefined
  readonly labelSmoothing: number
}

/** Several targets, whose scores lie end to end. */
export interface MixedTargetSpec {
  readonly kind: 'mixed'
  readonly heads: readonly MixedHead[]
}

/** An image and its values for several targets. */
export interface MixedRow {
  readonly key: string
  /** JSON object: by target a class's name, a list of names, or a list of numbers; those that it has no value of are missing. */
  readonly label?: string | undefined
}

/** Values of an image by target, as the labels of a run of one target: a class's name, or a JSON list. */
export function headLabels({ key, label }: MixedRow): ReadonlyMap<string, string> {
  let value: unknown
  try {
    value = JSON.parse(label ?? '{}')
  } catch {
    value = undefined
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return new Map(Object.entries(value).map(([name, own]) => [name, typeof own === 'string' ? own : JSON.stringify(own)]))
  throw new LayermillError('LABEL_INVALID', `${key} is labelled ${label ?? 'nothing'}, expected a JSON object of values by target`)
}

/** Rows that have a value of a target, with that value as their label. */
export function rowsOfHead<Row extends MixedRow>(rows: readonly Row[], name: string): (Row & { readonly label: string })[] {
  return rows.flatMap(row => {
    const label = headLabels(row).get(name)
    return label === undefined ? [] : [{ ...row, label }]
  })
}

/** How many rows there are, and how many of them have a value, by target. */
export interface MixedCounts {
  readonly rows: number
  readonly having: readonly number[]
}

export function countHeads(rows: readonly MixedRow[], heads: readonly MixedHead[]): MixedCounts {
  const having = heads.map(() => 0)
  for (const row of rows) {
    const labels = headLabels(row)
    for (const [i, { name }] of heads.entries()) if (labels.has(name)) having[i]! += 1
  }
  return { rows: rows.length, having }
}

/**
 * Targets of one head, [N, its classes].
 * @param rows with values of this target as their labels
 * @throws LayermillError `LABEL_INVALID` with the image's key
 */
export function targetsOfHead(
  { target, classes, name }: MixedHead,
  rows: readonly { readonly key: string; readonly label: string }[],
): Tensor {
  if (target.kind !== 'class') return targetRows(rows, classes, target)
  const indices = rows.map(({ key, label }) => {
    const index = classes.indexOf(label)
    if (index < 0) throw new LayermillError('LABEL_INVALID', `${key} is labelled ${label}, which is no class of ${name}`)
    return index
  })
  const { labelSmoothing, classWeights } = target
  return lossTargets(indices, classes.length, { labelSmoothing, ...(classWeights === undefined ? {} : { classWeights }) })
}

/**
 * Targets of several heads, [N, 2 outputs]: what the scores are compared with, then the factor of each image's loss. The sum over the images of
 * a whole batch, divided by their number, is the sum of the heads' weights times the mean loss of the images that have a value; so the factor
 * of an image is weight * images / images with a value, both of the whole batch, in whichever micro-batch the image is.
 * @param batch of the whole batch that the rows are a part of
 * @throws LayermillError `LABEL_INVALID` with the image's key
 */
export function mixedTargets(rows: readonly MixedRow[], { heads }: MixedTargetSpec, batch: MixedCounts): Tensor {
  const outputs = heads.reduce((sum, { classes }) => sum + classes.length, 0)
  const data = new Float32Array(rows.length * 2 * outputs)
  for (const [row, image] of rows.entries()) {
    const labels = headLabels(image)
    let from = row * 2 * outputs
    for (const [i, head] of heads.entries()) {
      const label = labels.get(head.name)
      if (label !== undefined) {
        data.set(targetsOfHead(head, [{ key: image.key, label }]).data, from)
        data.fill((head.weight * batch.rows) / batch.having[i]!, from + outputs, from + outputs + head.classes.length)
      }
      from += head.classes.length
    }
  }
  return { shape: [rows.length, 2 * outputs], data }
}

/** Scores of one head out of those of all, [N, its classes]. */
export function headScores({ shape: [rows], data }: Tensor, heads: readonly MixedHead[], index: number): Tensor {
  const width = data.length / rows!
  const from = heads.slice(0, index).reduce((sum, { classes }) => sum + classes.length, 0)
  const count = heads[index]!.classes.length
  const part = new Float32Array(rows! * count)
  for (let row = 0; row < rows!; row++) part.set(data.subarray(row * width + from, row * width + from + count), row * count)
  return { shape: [rows!, count], data: part }
}
