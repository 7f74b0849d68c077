import { Readable } from 'node:stream'
import { errorMessage, LayermillError } from '@layermill/models'
import { parse } from 'csv-parse'
import { textLines } from './lines.js'

/** One entry of a list file: the path as written, its label, and where it stands. */
export interface ListEntry {
  readonly line: number
  readonly path: string
  readonly label?: string
}

export type ListFormat = 'txt' | 'csv' | 'jsonl'

const PATH_COLUMNS = ['path', 'file', 'key', 'image']

/** The format a list file's extension stands for, undefined for other extensions. */
export function listFormat(extension: string): ListFormat | undefined {
  if (extension === 'ndjson') return 'jsonl'
  return extension === 'txt' || extension === 'csv' || extension === 'jsonl' ? extension : undefined
}

/**
 * A list file's entries, as a stream.
 *
 * txt: one path a line, blank lines left out. csv: a header with a `path`, `file`, `key` or `image` column and perhaps `label`.
 * jsonl: an object a line with `path`, `file`, `key` or `image` and perhaps `label`.
 *
 * @throws LayermillError `LIST_INVALID` with file and line
 */
export function listEntries(format: ListFormat, chunks: AsyncIterable<Uint8Array>, name: string): AsyncIterable<ListEntry> {
  if (format === 'csv') return csvEntries(chunks, name)
  return format === 'txt' ? txtEntries(chunks, name) : jsonEntries(chunks, name)
}

function invalid(name: string, line: number, what: string, hint?: string): LayermillError {
  return new LayermillError('LIST_INVALID', `${name}:${line}: ${what}`, { hint })
}

async function* txtEntries(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<ListEntry> {
  let line = 0
  for await (const text of textLines(chunks, name)) {
    line++
    const path = text.trim()
    if (path !== '') yield { line, path }
  }
}

async function* jsonEntries(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<ListEntry> {
  let line = 0
  for await (const text of textLines(chunks, name)) {
    line++
    if (text.trim() === '') continue
    const row = parseRow(text, name, line)
    const path = PATH_COLUMNS.map((column) => row[column]).find((value) => value !== undefined && value !== null)
    if (typeof path !== 'string' || path === '') throw invalid(name, line, `expected a string in one of ${PATH_COLUMNS.join(', ')}`)
    const { label } = row
    if (label === undefined || label === null || label === '') yield { line, path }
    else if (typeof label === 'string' || typeof label === 'number') yield { line, path, label: String(label) }
    else throw invalid(name, line, 'label is neither a string nor a number')
  }
}

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

async function* csvEntries(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<ListEntry> {
  const parser = parse({ bom: true, info: true, trim: true, skip_empty_lines: true, max_record_size: 1024 * 1024 })
  const input = Readable.from(chunks, { objectMode: false })
  input.on('error', (error) => parser.destroy(error))
  input.pipe(parser)
  let columns: { path: number; label: number } | undefined
  try {
    for await (const record of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const { lines: line } = record.info
      if (columns === undefined) {
        columns = readHeader(record.record, name, line)
        continue
      }
      const path = record.record[columns.path] ?? ''
      if (path === '') throw invalid(name, line, 'the path is empty')
      const label = columns.label < 0 ? '' : (record.record[columns.label] ?? '')
      yield label === '' ? { line, path } : { line, path, label }
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

function readHeader(names: readonly string[], name: string, line: number): { path: number; label: number } {
  const lower = names.map((column) => column.toLowerCase())
  const path = PATH_COLUMNS.map((column) => lower.indexOf(column)).find((index) => index >= 0)
  if (path !== undefined) return { path, label: lower.indexOf('label') }
  throw invalid(name, line, `no column named ${PATH_COLUMNS.join(', ')} in the header (found: ${names.join(', ')})`, 'The first line of a csv list names its columns, such as: path,label')
}
