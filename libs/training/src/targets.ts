import { LayermillError, type Tensor } from '@layermill/core'

/** Meaning of labels where they are not one class each. */
export type OneTargetSpec =
  | {
      readonly kind: 'multi-label'
      /** Factor of the positive term, by class; all 1 where left out. */
      readonly positiveWeights?: readonly number[] | undefined
    }
  | {
      readonly kind: 'regression'
      readonly loss: 'mse' | 'smooth-l1'
      /** Error at which smooth L1 turns from a parabola into a line, in standard deviations of the target. */
      readonly beta: number
      /** Of each output over the training images; the network learns (number - mean) / deviation. */
      readonly mean: readonly number[]
      readonly deviation: readonly number[]
    }

function listed(text: string): unknown[] | undefined {
  if (!text.startsWith('[')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * The labels that a text names: a JSON list, or names with `|` between them; `[]` is none. Each once, in their order.
 */
export function labelNames(text: string): string[] {
  const names = listed(text)?.map(String) ?? text.split('|')
  return [...new Set(names.map(name => name.trim()).filter(name => name !== ''))]
}

/**
 * The numbers that a text gives: one, several with `|` between them, or a JSON list.
 * @returns undefined where one of them is no finite number
 */
export function labelNumbers(text: string): number[] | undefined {
  const parts = listed(text) ?? text.split('|').map(part => part.trim())
  const numbers = parts.map(part => (typeof part === 'number' ? part : typeof part === 'string' && part !== '' ? Number(part) : NaN))
  return numbers.length > 0 && numbers.every(Number.isFinite) ? numbers : undefined
}

/** Mean and standard deviation (n) of each output; a deviation of 0 counts as 1. */
export function targetStatistics(rows: readonly (readonly number[])[]): { mean: number[]; deviation: number[] } {
  const mean = (rows[0] ?? []).map((_, k) => rows.reduce((sum, row) => sum + row[k]!, 0) / rows.length)
  const deviation = mean.map((center, k) => Math.sqrt(rows.reduce((sum, row) => sum + (row[k]! - center) ** 2, 0) / rows.length) || 1)
  return { mean, deviation }
}

/** Weights of the positive terms that make both sides of each class count the same: images without it over images with it. */
export function balancedPositiveWeights(rows: readonly (readonly string[])[], classes: readonly string[]): number[] {
  const counts = new Map(classes.map(name => [name, 0]))
  for (const names of rows) for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return classes.map(name => (counts.get(name) === 0 ? 1 : (rows.length - counts.get(name)!) / counts.get(name)! || 1))
}

function numbersOf(key: string, text: string | undefined, outputs: number): number[] {
  const numbers = labelNumbers(text ?? '')
  if (numbers?.length === outputs) return numbers
  throw new LayermillError('LABEL_INVALID', `${key} is labelled ${text ?? 'nothing'}, expected ${outputs} number${outputs > 1 ? 's' : ''}`)
}

/**
 * Targets that the network's scores are compared with: [N, classes], 0 or 1 for labels, standardised numbers for regression.
 * @throws LayermillError `LABEL_INVALID` with the image's key
 */
export function targetRows(
  rows: readonly { readonly key: string; readonly label?: string | undefined }[],
  classes: readonly string[],
  target: OneTargetSpec,
): Tensor {
  const data = new Float32Array(rows.length * classes.length)
  const places = new Map(classes.map((name, i) => [name, i]))
  for (const [row, { key, label }] of rows.entries()) {
    const start = row * classes.length
    if (target.kind === 'regression') {
      const numbers = numbersOf(key, label, classes.length)
      for (const [k, value] of numbers.entries()) data[start + k] = (value - target.mean[k]!) / target.deviation[k]!
      continue
    }
    for (const name of labelNames(label ?? '')) {
      const place = places.get(name)
      if (place === undefined) throw new LayermillError('LABEL_INVALID', `${key} is labelled ${name}, which is no class of the run`)
      data[start + place] = 1
    }
  }
  return { shape: [rows.length, classes.length], data }
}

/** Scores of a regression as the numbers that they stand for. */
export function putBack(scores: Tensor, { mean, deviation }: Extract<OneTargetSpec, { kind: 'regression' }>): number[][] {
  const outputs = mean.length
  return Array.from({ length: scores.data.length / outputs }, (_, row) =>
    mean.map((center, k) => center + deviation[k]! * scores.data[row * outputs + k]!),
  )
}

/**
 * The last linear layer of a regression, [outputs, n] and [outputs], changed in place so that it gives the numbers themselves; or, `back`,
 * one that gives them into one that gives standardised ones.
 */
export function foldTargets(
  weight: Tensor,
  bias: Tensor,
  { mean, deviation }: Pick<Extract<OneTargetSpec, { kind: 'regression' }>, 'mean' | 'deviation'>,
  back = false,
): void {
  const width = weight.data.length / mean.length
  for (const [k, center] of mean.entries()) {
    const factor = back ? 1 / deviation[k]! : deviation[k]!
    for (let i = k * width; i < (k + 1) * width; i++) weight.data[i]! *= factor
    bias.data[k] = back ? (bias.data[k]! - center) * factor : bias.data[k]! * factor + center
  }
}
