import { Readable } from 'node:stream'
import { errorMessage, LayermillError } from '@layermill/core'
import { parse } from 'csv-parse'
import { labelColumns, pathColumns, splitColumn } from './columns.js'
import { labelText } from './label-text.js'
import { textLines } from './lines.js'

/** One entry of a list file: the path as written, its label and split, and where it stands. */
export interface ListEntry {
  readonly line: number
  readonly path: string
  readonly label?: string
  readonly split?: string
}

export type ListFormat = 'txt' | 'csv' | 'tsv' | 'jsonl'

/** The format a list file's extension stands for, undefined for other extensions. */
export function listFormat(extension: string): ListFormat | undefined {
  if (extension === 'ndjson') return 'jsonl'
  return extension === 'txt' || extension === 'csv' || extension === 'tsv' || extension === 'jsonl' ? extension : undefined
}

/** Facts that only the whole of a list gives, found by reading it once. */
export interface ListFacts {
  /** Every line of a .txt ends with a whole number after a space: `path label`, as Caffe and Chainer write lists. */
  readonly labelledLines: boolean
}

const labelledLine = /^(.*\S)\s+(-?\d{1,9})$/

/** @throws LayermillError `LIST_INVALID` */
export async function listFacts(format: ListFormat, chunks: AsyncIterable<Uint8Array>, name: string): Promise<ListFacts> {
  if (format !== 'txt') return { labelledLines: false }
  let any = false
  for await (const text of textLines(chunks, name)) {
    const line = text.trim()
    if (line === '') continue
    if (!labelledLine.test(line)) return { labelledLines: false }
    any = true
  }
  return { labelledLines: any }
}

/**
 * A list file's entries, as a stream.
 *
 * txt: one path a line, or where all lines end so, a path, a space and a whole number: the label; a path may hold spaces. Blank lines are
 * left out. csv (commas or semicolons), tsv: a header with a column of paths and perhaps of labels and of splits. jsonl: an object a line
 * with these fields, whose label may be a list. Names of columns are those of `columns.ts`.
 *
 * @param labels names of the columns of labels; several give a JSON list of their values
 * @throws LayermillError `LIST_INVALID` with file and line
 */
export function listEntries(
  format: ListFormat,
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  facts: ListFacts,
  labels?: readonly string[],
): AsyncIterable<ListEntry> {
  if (format === 'csv' || format === 'tsv') return csvEntries(chunks, name, { tab: format === 'tsv' ? '\t' : undefined, labels })
  if (format === 'jsonl') return jsonEntries(chunks, name, labels)
  if (labels === undefined) return txtEntries(chunks, name, facts)
  throw invalid(name, 1, `a .txt list has no column ${labels[0]}`, 'Columns of labels are named in .csv, .tsv, .jsonl and .parquet.')
}

function invalid(name: string, line: number, what: string, hint?: string): LayermillError {
  return new LayermillError('LIST_INVALID', `${name}:${line}: ${what}`, { hint })
}

async function* txtEntries(chunks: AsyncIterable<Uint8Array>, name: string, { labelledLines }: ListFacts): AsyncGenerator<ListEntry> {
  let line = 0
  for await (const text of textLines(chunks, name)) {
    line++
    const path = text.trim()
    if (path === '') continue
    const [, own, label] = (labelledLines ? labelledLine.exec(path) : null) ?? []
    if (own === undefined || label === undefined) yield { line, path }
    else if (/\.[a-z]{3,4}\s+-?\d+$/i.test(own))
      throw invalid(name, line, 'more than one label on a line; expected a path and one whole number')
    else yield { line, path: own, label: String(Number(label)) }
  }
}

async function* jsonEntries(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  labels: readonly string[] | undefined,
): AsyncGenerator<ListEntry> {
  const columns = labels?.map(column => column.toLowerCase())
  let line = 0
  for await (const text of textLines(chunks, name)) {
    line++
    if (text.trim() === '') continue
    const row = lowerNames(parseRow(text, name, line))
    const path = valueOf(row, pathColumns)
    if (typeof path !== 'string' || path === '') throw invalid(name, line, `expected a string in one of ${pathColumns.join(', ')}`)
    const label = labelText(columns === undefined ? [valueOf(row, labelColumns)] : columns.map(column => row[column]))
    const split = textValue(row[splitColumn])
    if (label === 'invalid') throw invalid(name, line, 'label is neither a string nor a number, nor a list of them')
    yield {
      line,
      path,
      ...(label === undefined ? {} : { label: label.text }),
      ...(split === undefined || split === 'invalid' ? {} : { split: split.text }),
    }
  }
}

function textValue(value: unknown): { text: string } | 'invalid' | undefined {
  if (value === undefined || value === null || value === '') return undefined
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? { text: String(value) } : 'invalid'
}

function valueOf(row: Record<string, unknown>, columns: readonly string[]): unknown {
  return columns.map(column => row[column]).find(value => value !== undefined && value !== null)
}

const lowerNames = (row: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toLowerCase(), value]))

function parseRow(text: string, name: string, line: number): Record<string, unknown> {
  let row: unknown
  try {
    row = JSON.parse(text)
  } catch (error) {
    throw invalid(name, line, `not JSON: ${errorMessage(error)}`)
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw invalid(name, line, 'expected an object')
  return row as Record<string, unknown>
}

/** Bytes of the header that are looked at for what separates columns. */
const headerBytes = 64 * 1024

/** The separator of a csv, by its header: the one of `,` `;` and tab that it has most of outside quotes, `,` where it has none. */
async function separatorOf(chunks: AsyncIterator<Uint8Array>): Promise<{ separator: string; read: Uint8Array[] }> {
  const read: Uint8Array[] = []
  let size = 0
  while (size < headerBytes) {
    const next = await chunks.next()
    if (next.done === true) break
    read.push(next.value)
    size += next.value.byteLength
    if (next.value.includes(10)) break
  }
  const [header = ''] = new TextDecoder().decode(Buffer.concat(read)).trimStart().split(/\r?\n/)
  const plain = header.replaceAll(/"[^"]*"/g, '')
  const counts = [',', ';', '\t'].map(separator => ({ separator, count: plain.split(separator).length - 1 }))
  return { separator: counts.toSorted((a, b) => b.count - a.count)[0]!.separator, read }
}

async function* joined(first: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* first
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}

async function* csvEntries(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  { tab, labels }: { readonly tab: '\t' | undefined; readonly labels: readonly string[] | undefined },
): AsyncGenerator<ListEntry> {
  const iterator = chunks[Symbol.asyncIterator]()
  const { separator, read } = await separatorOf(iterator)
  const parser = parse({
    bom: true,
    info: true,
    trim: true,
    skip_empty_lines: true,
    max_record_size: 1024 * 1024,
    delimiter: tab ?? separator,
  })
  const input = Readable.from(joined(read, iterator), { objectMode: false })
  input.on('error', error => parser.destroy(error))
  input.pipe(parser)
  let columns: Columns | undefined
  try {
    for await (const record of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const { lines: line } = record.info
      if (columns === undefined) {
        columns = readHeader(record.record, { name, line, labels })
        continue
      }
      const field = (index: number): string => (index < 0 ? '' : (record.record[index] ?? ''))
      const [path, split] = [field(columns.path), field(columns.split)]
      if (path === '') throw invalid(name, line, 'the path is empty')
      const label = labelText(columns.labels.map(field))
      yield { line, path, ...(label === undefined || label === 'invalid' ? {} : { label: label.text }), ...(split === '' ? {} : { split }) }
    }
  } catch (error) {
    if (error instanceof LayermillError) throw error
    if (error instanceof Error && 'lines' in error && typeof error.lines === 'number') throw invalid(name, error.lines, error.message)
    throw error
  } finally {
    input.destroy()
    parser.destroy()
  }
}

interface Columns {
  readonly path: number
  readonly labels: readonly number[]
  readonly split: number
}

interface Header {
  readonly name: string
  readonly line: number
  readonly labels: readonly string[] | undefined
}

function readHeader(names: readonly string[], { name, line, labels }: Header): Columns {
  const lower = names.map(column => column.toLowerCase())
  const find = (columns: readonly string[]): number => columns.map(column => lower.indexOf(column)).find(index => index >= 0) ?? -1
  const path = find(pathColumns)
  const marked = labels?.map(column => lower.indexOf(column.toLowerCase())) ?? [find(labelColumns)]
  const missing = labels?.find((_, i) => marked[i]! < 0)
  if (missing !== undefined) throw invalid(name, line, `no column named ${missing} in the header (found: ${names.join(', ')})`)
  if (path >= 0) return { path, labels: marked, split: find([splitColumn]) }
  throw invalid(
    name,
    line,
    `no column named ${pathColumns.slice(0, 4).join(', ')} in the header (found: ${names.join(', ')})`,
    `The first line of a csv list names its columns, such as: path,label. Of paths also ${pathColumns.slice(4).join(', ')}; of labels ${labelColumns.join(', ')}.`,
  )
}
