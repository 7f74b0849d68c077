import type { FinetuneSpec, TrainingPlan } from '@layermill/contracts'
import { parseLoss } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { type HeadSlice, sliceOutputs } from '@layermill/models'
import {
  balancedClassWeights,
  balancedPositiveWeights,
  headLabels,
  labelNames,
  labelNumbers,
  type MixedHead,
  rowsOfHead,
  targetStatistics,
} from '@layermill/training'
import { findClasses, type LabelledRow } from './dataset.js'

type Target = NonNullable<FinetuneSpec['targets']>[number]

const invalid = (message: string, hint?: string): LayermillError =>
  new LayermillError('LABEL_INVALID', message, hint === undefined ? {} : { hint })

const textOf = (cell: unknown): string => (typeof cell === 'string' ? cell : JSON.stringify(cell))

/** Value of one target that a cell gives, as the label of a run of that target is kept. */
function valueOf(cell: unknown, { name, kind }: Target, key: string): unknown {
  if (kind === 'multi-label') return labelNames(textOf(cell))
  if (kind === 'class') {
    if (Array.isArray(cell)) throw invalid(`${key} has several values of ${name}, expected one class`, `${name}:multi-label learns several`)
    return textOf(cell)
  }
  const numbers = labelNumbers(textOf(cell))
  if (numbers !== undefined) return numbers
  throw invalid(`${key} has ${JSON.stringify(textOf(cell).slice(0, 80))} as ${name}, expected a number, or several as 1.5|2`)
}

/**
 * Images with their values by target, from cells that a listing put together: a JSON object of the targets that have a value. An empty cell
 * is none; `[]` is an image without any of the labels.
 * @throws LayermillError `LABEL_INVALID` with the image's key
 */
export function mixedRows(rows: readonly LabelledRow[], targets: readonly Target[]): LabelledRow[] {
  const counts = new Map<string, { readonly key: string; readonly count: number }>()
  return rows.map(row => {
    const cells: unknown = row.label.startsWith('[') ? JSON.parse(row.label) : undefined
    if (!Array.isArray(cells) || cells.length !== targets.length)
      throw invalid(
        `${row.key} is labelled ${JSON.stringify(row.label.slice(0, 80))}, expected values of the columns ${targets.map(({ name }) => name).join(', ')}`,
        'targets are columns of a .csv or .jsonl list, or of a Parquet file',
      )
    const values = targets.flatMap((target, i): [string, unknown][] =>
      cells[i] === null ? [] : [[target.name, valueOf(cells[i], target, row.key)]],
    )
    for (const [name, value] of values) {
      if (!Array.isArray(value) || typeof value[0] !== 'number') continue
      const first = counts.get(name) ?? { key: row.key, count: value.length }
      counts.set(name, first)
      if (first.count !== value.length) throw invalid(`${row.key} has ${value.length} numbers as ${name}, ${first.key} has ${first.count}`)
    }
    return { ...row, label: JSON.stringify(Object.fromEntries(values)) }
  })
}

/** Names of a target's own classes, or of its numbers. */
function classesOf(rows: readonly LabelledRow[], { name, kind }: Target, where: string): string[] {
  const own = rowsOfHead(rows, name)
  if (own.length === 0)
    throw new LayermillError('LABEL_MISSING', `no image in ${where} has a value of ${name}`, {
      hint: `expected some in the column ${name}, or no target of that name`,
    })
  if (kind === 'regression') {
    const count = labelNumbers(own[0]!.label)!.length
    return count === 1 ? [name] : Array.from({ length: count }, (_, i) => String(i + 1))
  }
  const place = `${where} (target ${name})`
  if (kind === 'class') return findClasses(own, place)
  const each = own.flatMap(row => labelNames(row.label).map(label => ({ ...row, label })))
  return findClasses(each, place, undefined, 1)
}

/**
 * Names of all scores, end to end: `species:cat` of a class, the target's own of a single number.
 * @throws LayermillError `CLASS_TOO_FEW`, `LABEL_MISSING`
 */
export const mixedOutputs = (rows: readonly LabelledRow[], targets: readonly Target[], where: string): string[] =>
  targets.flatMap(target => sliceOutputs({ name: target.name, target: target.kind, classes: classesOf(rows, target, where) }))

/** Parts of the scores by target. @param outputs names of all scores */
export function slicesOf(targets: readonly Target[], outputs: readonly string[]): HeadSlice[] {
  return targets.map(({ name, kind }) => {
    const own = outputs.filter(output => output === name || output.startsWith(`${name}:`))
    return { name, target: kind, classes: own.map(output => (output === name ? name : output.slice(name.length + 1))) }
  })
}

/** Some scores for a network whose images are not known yet. */
export const someOutputs = (targets: readonly Target[]): string[] =>
  targets.flatMap(({ name, kind }) => sliceOutputs({ name, target: kind, classes: kind === 'regression' ? [name] : ['a', 'b'] }))

/** Scores that an image counts for: its class, its labels, all numbers of a target that it has a value of. */
export function mixedLabels(row: Pick<LabelledRow, 'key' | 'label'>, targets: readonly Target[], outputs: readonly string[]): string[] {
  const labels = headLabels(row)
  return targets.flatMap(({ name, kind }) => {
    const label = labels.get(name)
    if (label === undefined) return []
    if (kind === 'regression') return outputs.filter(output => output === name || output.startsWith(`${name}:`))
    return (kind === 'class' ? [label] : labelNames(label)).map(own => `${name}:${own}`)
  })
}

/** Checks held-out images of a source of their own. @throws LayermillError `VALIDATION_INVALID` for another count of numbers */
export function checkOwnNumbers(rows: readonly LabelledRow[], slices: readonly HeadSlice[], where: string): void {
  for (const { name, target, classes } of slices) {
    if (target !== 'regression') continue
    const count = labelNumbers(rowsOfHead(rows, name)[0]?.label ?? '')?.length ?? classes.length
    if (count !== classes.length)
      throw new LayermillError('VALIDATION_INVALID', `${where} has ${count} numbers as ${name}, the training images ${classes.length}`)
  }
}

type HeadTarget = MixedHead['target']

function plannedHead(spec: FinetuneSpec, { name, target, classes }: HeadSlice, rows: readonly LabelledRow[]): HeadTarget {
  const own = rowsOfHead(rows, name)
  const isBalanced = spec.classWeights === 'balanced'
  if (target === 'regression')
    return { kind: target, ...parseLoss(spec.loss), ...targetStatistics(own.map(({ label }) => labelNumbers(label) ?? [])) }
  if (target === 'multi-label') {
    const positiveWeights = balancedPositiveWeights(
      own.map(({ label }) => labelNames(label)),
      classes,
    )
    return { kind: target, ...(isBalanced ? { positiveWeights } : {}) }
  }
  const { labelSmoothing } = spec
  const classWeights = balancedClassWeights(
    own.map(({ label }) => classes.indexOf(label)),
    classes.length,
  )
  return { kind: target, labelSmoothing, ...(isBalanced ? { classWeights } : {}) }
}

/** The plan of several targets. @param outputs names of all scores */
export function plannedMixed(
  spec: FinetuneSpec,
  outputs: readonly string[],
  rows: readonly LabelledRow[],
): NonNullable<TrainingPlan['target']> {
  const targets = spec.targets ?? []
  const heads = slicesOf(targets, outputs).map((slice, i) => ({
    name: slice.name,
    classes: [...slice.classes],
    weight: targets[i]!.weight ?? 1,
    target: plannedHead(spec, slice, rows),
  }))
  return { kind: 'mixed', heads: heads as Extract<TrainingPlan['target'], { kind: 'mixed' }>['heads'] }
}
