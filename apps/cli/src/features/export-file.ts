import { LayermillError } from '@layermill/core'
import { refuseForeignFile } from '@layermill/orchestrator/run'
import { csvRow, splitFile } from '@layermill/orchestrator/results'
import { encodeVectorTable, groupVectors, openStore, streamFeatures, type VectorRows } from '@layermill/storage'
import type { Exported, ExportOptions } from './export-options.js'

/** A format of a table in one file. */
interface TableFormat {
  /** Ending of its files, with the dot. */
  readonly ending: string
  readonly contentType: string
  encode(groups: AsyncIterable<VectorRows>, description: ExportOptions['description']): AsyncIterable<Uint8Array>
}

const parquet: TableFormat = {
  ending: '.parquet',
  contentType: 'application/vnd.apache.parquet',
  encode: (groups, description) => encodeVectorTable(groups, { layermill: JSON.stringify(description) }),
}

/** Short decimal text that reads back as the same float32: nine significant digits always do (IEEE 754, 5.12.2). */
export function float32Text(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const text = String(Number(value.toPrecision(digits)))
    if (Math.fround(Number(text)) === value) return text
  }
  return String(Number(value.toPrecision(9)))
}

/** Texts of this size are written at a time. */
const csvPieceLength = 1 << 20

async function* encodeCsv(groups: AsyncIterable<VectorRows>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  let text = ''
  let begun = false
  for await (const { rows, length, values } of groups) {
    if (!begun) text += csvRow(['key', 'label', 'width', 'height', 'sha256', ...Array.from({ length }, (_, i) => `f${i}`)])
    begun = true
    for (const [i, { key, label, width, height, sha256 }] of rows.entries()) {
      const vector = Array.from(values.subarray(i * length, (i + 1) * length), float32Text)
      text += `${csvRow([key, label ?? '', width, height, sha256]).trimEnd()},${vector.join(',')}\r\n`
      if (text.length < csvPieceLength) continue
      yield encoder.encode(text)
      text = ''
    }
  }
  if (text !== '') yield encoder.encode(text)
}

const csv: TableFormat = { ending: '.csv', contentType: 'text/csv', encode: encodeCsv }

async function* counted(groups: AsyncIterable<VectorRows>, onProgress: (images: number) => void): AsyncGenerator<VectorRows> {
  let images = 0
  for await (const group of groups) {
    yield group
    images += group.rows.length
    onProgress(images)
  }
}

async function exportFile(format: TableFormat, { set, description, out, overwrite, signal, onProgress }: ExportOptions): Promise<Exported> {
  if (!out.toLowerCase().endsWith(format.ending))
    throw new LayermillError('SPEC_INVALID', `--out: got ${JSON.stringify(out)}, expected a file that ends in ${format.ending}`)
  await refuseForeignFile(out, async url => openStore(url))
  const { folder, name } = splitFile(out)
  await using store = openStore(folder)
  const exists = (): LayermillError => new LayermillError('EXPORT_EXISTS', `${out} exists`, { hint: '--overwrite replaces it' })
  // Asked before all the reading, and again when it is written.
  if (!overwrite && (await store.stat(name)) !== undefined) throw exists()
  const groups = groupVectors(streamFeatures(set.store, set.place, set.parts, { signal }))
  const pieces = format.encode(counted(groups, onProgress), description)
  if (!(await store.putStream(name, pieces, { ifAbsent: !overwrite, contentType: format.contentType }))) throw exists()
  return { before: 0, place: out }
}

/**
 * Writes a layer's features as one Parquet file, a group of rows at a time; whole or not at all.
 * @throws LayermillError `SPEC_INVALID` for a name without `.parquet`, `EXPORT_EXISTS`, `RUN_CONFLICT` where it would replace a run's file,
 * what the stores throw; the signal's reason
 */
export const exportParquet = (options: ExportOptions): Promise<Exported> => exportFile(parquet, options)

/**
 * Writes a layer's features as one CSV file (UTF-8, RFC 4180): key, label, width, height, sha256, then `f0`, `f1`, ... as texts that
 * read back as the same float32. Whole or not at all; errors as for Parquet, with `.csv`.
 */
export const exportCsv = (options: ExportOptions): Promise<Exported> => exportFile(csv, options)
