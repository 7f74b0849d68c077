import type { FinetuneSpec, TrainingPlan } from '@layermill/contracts'
import { parseLoss } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { balancedPositiveWeights, labelNames, labelNumbers, foldSplit, stratifiedSplit, targetStatistics } from '@layermill/training'
import { checkNoClassEmpty, findClasses, holdOut, type LabelledRow, ownValidation, type TrainingSplit } from './dataset.js'
import { checkOwnNumbers, mixedLabels, mixedOutputs, mixedRows, plannedMixed, slicesOf } from './mixed.js'

export type TargetFields = Pick<FinetuneSpec, 'target' | 'targets' | 'labelColumns'>

/** Images with labels in one form: a class's name, or a JSON list of names or of numbers. */
export interface TargetRows {
  readonly rows: readonly LabelledRow[]
  /** The dataset's own order of its classes, or the names of its numbers. */
  readonly order: readonly string[] | undefined
}

const invalid = (message: string, hint?: string): LayermillError =>
  new LayermillError('LABEL_INVALID', message, hint === undefined ? {} : { hint })

const quoted = (text: string): string => JSON.stringify(text.slice(0, 80))

/** The cells of several columns that a listing put together. */
function cellsOf({ key, label }: LabelledRow, columns: readonly string[]): unknown[] {
  const cells: unknown = label.startsWith('[') ? JSON.parse(label) : undefined
  if (Array.isArray(cells) && cells.length === columns.length) return cells
  throw invalid(`${key} is labelled ${quoted(label)}, expected values of the columns ${columns.join(', ')}`)
}

/** A cell as text: lists and objects as JSON. */
const textOf = (cell: unknown): string => (typeof cell === 'string' ? cell : JSON.stringify(cell))
const isOn = (cell: unknown): boolean => /^(1(\.0+)?|true)$/i.test(textOf(cell))
const isSwitch = (cell: unknown): boolean => cell === null || isOn(cell) || /^(0(\.0+)?|false)$/i.test(textOf(cell))
const namesIn = (cell: unknown): string[] => (cell === null ? [] : labelNames(textOf(cell)))

/** Several labels an image: columns of 0 and 1 that are classes, columns of names, or one column of lists. */
function multiLabelRows(rows: readonly LabelledRow[], columns: readonly string[]): TargetRows {
  const named = (row: LabelledRow, names: readonly string[]): LabelledRow => ({ ...row, label: JSON.stringify([...new Set(names)]) })
  if (columns.length < 2) return { rows: rows.map(row => named(row, labelNames(row.label))), order: undefined }
  const cells = rows.map(row => cellsOf(row, columns))
  if (!cells.every(row => row.every(isSwitch)))
    return { rows: rows.map((row, i) => named(row, cells[i]!.flatMap(namesIn))), order: undefined }
  return {
    rows: rows.map((row, i) =>
      named(
        row,
        columns.filter((_, column) => isOn(cells[i]![column])),
      ),
    ),
    order: columns,
  }
}

/** Numbers of an image: one column each, or one column of one or several. */
function regressionRows(rows: readonly LabelledRow[], columns: readonly string[]): TargetRows {
  const numbers = rows.map(row => {
    const found = labelNumbers(columns.length < 2 ? row.label : JSON.stringify(cellsOf(row, columns)))
    if (found === undefined) throw invalid(`${row.key} is labelled ${quoted(row.label)}, expected a number, or several as 1.5|2`)
    return found
  })
  const count = numbers[0]?.length ?? 0
  const other = numbers.findIndex(({ length }) => length !== count)
  if (other >= 0) throw invalid(`${rows[other]!.key} has ${numbers[other]!.length} numbers, ${rows[0]!.key} has ${count}`)
  const names = count === 1 ? [columns[0] ?? 'value'] : Array.from({ length: count }, (_, i) => columns[i] ?? `value${i + 1}`)
  return {
    rows: rows.map((row, i) => ({ ...row, label: JSON.stringify(numbers[i]) })),
    order: columns.length === 1 && count > 1 ? names.map((_, i) => `${columns[0]}${i + 1}`) : names,
  }
}

/**
 * Reads labels as the spec's target wants them.
 * @throws LayermillError `LABEL_INVALID` with the image's key
 */
export function readTargets({ rows, order }: TargetRows, { target = 'class', targets, labelColumns = [] }: TargetFields): TargetRows {
  if (targets !== undefined) return { rows: mixedRows(rows, targets), order: undefined }
  if (target === 'regression') return regressionRows(rows, labelColumns)
  if (target === 'multi-label') {
    const found = multiLabelRows(rows, labelColumns)
    return { ...found, order: found.order ?? order }
  }
  const list = rows.find(({ label }) => label.startsWith('["'))
  if (list === undefined) return { rows, order }
  throw invalid(`${list.key} has several labels, ${quoted(list.label)}; expected one class`, '--target multi-label learns several an image')
}

/** Outputs that an image counts for: its class, its labels, or all outputs of numbers that it has. */
export function labelsOf(
  row: Pick<LabelledRow, 'key' | 'label'>,
  { target, targets }: TargetFields,
  outputs: readonly string[],
): readonly string[] {
  if (targets !== undefined) return mixedLabels(row, targets, outputs)
  if (target === 'regression') return outputs
  return target === 'multi-label' ? labelNames(row.label) : [row.label]
}

/**
 * The classes of images, or the names of their numbers, in the order of the scores.
 * @param least classes that a run of one class an image must have
 * @throws LayermillError `CLASS_TOO_FEW`, `LABEL_MISSING`
 */
export function outputNames({ rows, order }: TargetRows, where: string, { target, targets }: TargetFields, least: number): string[] {
  if (targets !== undefined) return mixedOutputs(rows, targets, where)
  if (target === 'regression') return [...(order ?? [])]
  if (target !== 'multi-label') return findClasses(rows, where, order, least)
  const each = rows.flatMap(row => labelNames(row.label).map(label => ({ ...row, label })))
  return findClasses(each, where, order, 1)
}

/** Rows once for each output that they count for: what checks of classes count. */
const perOutput = (rows: readonly LabelledRow[], spec: TargetFields, outputs: readonly string[]): LabelledRow[] =>
  rows.flatMap(row => labelsOf(row, spec, outputs).map(label => ({ ...row, label })))

/** Holds a share out by the keys' hashes: of each class where an image has one, else of all images. */
export function holdOutTargets(rows: readonly LabelledRow[], outputs: readonly string[], share: number, spec: TargetFields): TrainingSplit {
  const { target } = spec
  if (target === undefined || target === 'class') return holdOut(rows, outputs, share)
  const { training, validation } = stratifiedSplit(
    rows.map(row => ({ key: row.key, label: 0, row })),
    share,
  )
  const split = { training: training.map(({ row }) => row), validation: validation.map(({ row }) => row) }
  const held = new Set(perOutput(split.validation, spec, outputs).map(({ label }) => label))
  const missing = target === 'regression' || share === 0 ? [] : outputs.filter(name => !held.has(name))
  const some = `${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', ...' : ''}`
  return { ...split, warnings: missing.length === 0 ? [] : [`no held-out image has ${some}: how well it is recognised will not be known`] }
}

/**
 * Split for cross-validation: a part of the training images is held out in place of the images that were.
 * @param fold the part; none: the split as it is
 */
export function foldOf({ training, ...split }: TrainingSplit, fold: FinetuneSpec['fold'], { target }: TargetFields): TrainingSplit {
  if (fold === undefined) return { training, ...split }
  const isClass = target === undefined || target === 'class'
  const labels = new Map([...new Set(training.map(({ label }) => label))].sort().map((label, i) => [label, i]))
  const found = foldSplit(
    training.map(row => ({ key: row.key, label: isClass ? labels.get(row.label)! : 0, row })),
    fold,
  )
  return { training: found.training.map(({ row }) => row), validation: found.validation.map(({ row }) => row), warnings: split.warnings }
}

/**
 * Puts together images to train on and held-out ones of a source of their own.
 * @throws LayermillError `VALIDATION_INVALID` for a class that is not trained, or another count of numbers
 */
export function ownTargets(
  training: readonly LabelledRow[],
  validation: readonly LabelledRow[],
  outputs: readonly string[],
  where: string,
  spec: TargetFields,
): TrainingSplit {
  const { target, targets } = spec
  if (target === 'regression') {
    const count = labelNumbers(validation[0]?.label ?? '')?.length ?? outputs.length
    if (count === outputs.length) return { training, validation, warnings: [] }
    throw new LayermillError('VALIDATION_INVALID', `${where} has ${count} numbers an image, the training images ${outputs.length}`)
  }
  if (target === undefined || target === 'class') return ownValidation(training, validation, outputs, where)
  if (targets !== undefined) checkOwnNumbers(validation, slicesOf(targets, outputs), where)
  const { warnings } = ownValidation(training, perOutput(validation, spec, outputs), outputs, where)
  return { training, validation, warnings }
}

/** @throws LayermillError `CLASS_EMPTY` where no image that is trained on has a class */
export function checkTargets(outputs: readonly string[], rows: readonly LabelledRow[], where: string, spec: TargetFields): void {
  if (spec.target === 'regression') return
  checkNoClassEmpty(outputs, perOutput(rows, spec, outputs), where)
}

/**
 * The plan's target: weights of positive terms, or what numbers are standardised by; undefined for one class an image.
 * @throws LayermillError `CLASS_UNKNOWN`
 */
export function plannedTarget(spec: FinetuneSpec, classes: readonly string[], rows: readonly LabelledRow[]): TrainingPlan['target'] {
  if (spec.targets !== undefined) return plannedMixed(spec, classes, rows)
  if (spec.target === 'regression') {
    const statistics = targetStatistics(rows.map(({ label }) => labelNumbers(label) ?? []))
    return { kind: 'regression', ...parseLoss(spec.loss), ...statistics }
  }
  if (spec.target !== 'multi-label') return undefined
  const { classWeights: weights } = spec
  if (weights === 'none') return { kind: 'multi-label' }
  const named = rows.map(({ label }) => labelNames(label))
  const positiveWeights = weights === 'balanced' ? balancedPositiveWeights(named, classes) : classes.map(name => weights[name] ?? 1)
  return { kind: 'multi-label', positiveWeights }
}
