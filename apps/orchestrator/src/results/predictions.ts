import { partOfPath, type PredictSpec, type RunRecord } from '@layermill/contracts'
import type { HeadAnswer, ImageAnswer } from '@layermill/inference'
import type { Store } from '@layermill/storage'
import { type InferenceArguments, inferenceSteps } from '../run/inference-steps.js'
import { deleteRun } from '../run/record-store.js'
import { csvRow } from '../run/csv.js'
import { writeResultFile } from './result-file.js'

/** Answer of a model to one image. */
export interface PredictionRow extends ImageAnswer {
  readonly key: string
}

/** A finished run's predictions, in the order of its parts. */
export async function* readPredictions(store: Store): AsyncGenerator<PredictionRow> {
  const keys: string[] = []
  for await (const { key } of store.list('predictions/')) if (partOfPath(key) !== undefined) keys.push(key)
  keys.sort((a, b) => partOfPath(a)! - partOfPath(b)!)
  for (const key of keys) {
    const text = new TextDecoder().decode(await store.get(key))
    for (const line of text.split('\n')) if (line !== '') yield JSON.parse(line) as PredictionRow
  }
}

/** Header of a .csv, by the first answer. */
function csvHeader({ labels, values, heads }: PredictionRow): string {
  if (heads !== undefined) return csvRow(['key', 'target', 'rank', 'class', 'label', 'probability', 'given', 'value'])
  if (values !== undefined) return csvRow(['key', 'output', 'value'])
  return csvRow(['key', 'rank', 'class', 'label', 'probability', ...(labels === undefined ? [] : ['given'])])
}

/** Lines of one of several targets: classes with their probabilities, then numbers. */
function headLines(key: string, name: string, { classes, labels, values = [] }: HeadAnswer): string {
  const given = (label: string): string => (labels === undefined ? '' : labels.includes(label) ? 'yes' : 'no')
  return [
    ...classes.map(({ index, label, probability }, rank) => csvRow([key, name, rank + 1, index, label, probability, given(label), ''])),
    ...values.map(({ label, value }) => csvRow([key, name, '', '', label, '', '', value])),
  ].join('')
}

function csvLines({ key, classes, labels, values, heads }: PredictionRow): string {
  if (heads !== undefined)
    return Object.entries(heads)
      .map(([name, answer]) => headLines(key, name, answer))
      .join('')
  if (values !== undefined) return values.map(({ label, value }) => csvRow([key, label, value])).join('')
  const given = (label: string): string[] => (labels === undefined ? [] : [labels.includes(label) ? 'yes' : 'no'])
  return classes.map(({ index, label, probability }, rank) => csvRow([key, rank + 1, index, label, probability, ...given(label)])).join('')
}

/** Puts a run's parts together into one .csv or .jsonl file. */
export async function writePredictions(store: Store, out: string): Promise<void> {
  const csv = out.toLowerCase().endsWith('.csv')
  const lines: string[] = []
  for await (const row of readPredictions(store)) {
    if (csv && lines.length === 0) lines.push(csvHeader(row))
    lines.push(csv ? csvLines(row) : `${JSON.stringify(row)}\n`)
  }
  if (csv && lines.length === 0) lines.push(csvHeader({ key: '', classes: [] }))
  await writeResultFile(out, lines.join(''))
}

/**
 * The steps of a prediction: at its end its file is written, where the spec names one.
 * @param before called with the finished run's record while its parts are there
 */
export function predictionSteps(
  spec: PredictSpec,
  options: InferenceArguments,
  before: (record: RunRecord) => Promise<void> = async () => undefined,
): ReturnType<typeof inferenceSteps> {
  const { out } = spec
  if (out === undefined) return inferenceSteps(spec, options)
  return inferenceSteps(spec, options, async record => {
    await before(record)
    await writePredictions(options.store, out)
    // The file has all of it. Of images that failed the folder has the reasons, and --retry-failed goes on from there.
    if (record.counts.failed === 0) await deleteRun(options.store)
  })
}
