import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { parseCsv } from '../run/csv.js'
import { splitFile } from '../results/result-file.js'
import { parsePredictions, type PredictedRow } from './predicted.js'

/** Larger files of results are not read to be looked at. */
const largestFile = 256 * 1024 * 1024

/** Rows of a CSV file of predictions: `key, rank, class, label, probability`, the likeliest class of each key first. */
function fromCsv(text: string): PredictedRow[] {
  const rows = new Map<string, PredictedRow>()
  const [header = [], ...lines] = parseCsv(text)
  // Numbers of images have no classes.
  if (header[1] === 'output') return []
  for (const [key = '', , , label = '', probability = ''] of lines) {
    const row = rows.get(key) ?? { key, classes: [] }
    row.classes.push({ label, probability: Number(probability) })
    rows.set(key, row)
  }
  return [...rows.values()]
}

/**
 * Reads a prediction's file, .csv or .jsonl.
 * @throws LayermillError `NOT_RECORDED` where it is gone, or too large to be looked at; as the store does
 */
export async function readResults(out: string, openStore: (url: string) => Promise<Store>): Promise<PredictedRow[]> {
  const { folder, name } = splitFile(out)
  await using store = await openStore(folder)
  const entry = await store.stat(name)
  if (entry === undefined) throw new LayermillError('NOT_RECORDED', `${out} is not there any more`)
  if (entry.bytes > largestFile)
    throw new LayermillError('NOT_RECORDED', `${out} is larger than ${largestFile / 2 ** 20} MiB, too large to look at`)
  const bytes = (await store.get(name)) ?? new Uint8Array()
  return /\.csv$/i.test(name) ? fromCsv(new TextDecoder().decode(bytes)) : parsePredictions(bytes)
}
