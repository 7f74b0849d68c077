import { errorMessage, LayermillError } from '@layermill/core'
import { type AsyncBuffer, type FileMetaData, parquetMetadata, parquetReadObjects, readOffsetIndex } from 'hyparquet'
import { labelText } from '../label-text.js'
import { type ColumnPath, type ImageColumns, imageColumns, projected } from './parquet-columns.js'
import { largestBlock, mostRows, PageGuard } from './parquet-pages.js'
import type { Shard, ShardPlace } from './shards.js'

const largestFooter = 64 * 1024 * 1024
const footerGuess = 256 * 1024
const magic = 0x31524150

/** Rows `start` (included) to `end` (left out) of a file. */
export interface Rows {
  readonly start: number
  readonly end: number
}

export interface RowGroup extends Rows {
  readonly index: number
  /** Of all its images together, decompressed. */
  readonly imageBytes: number
}

/** Rows and columns of a table that are asked for. */
export interface RowsWanted {
  readonly split?: string | undefined
  readonly labelColumns?: readonly string[] | undefined
}

/** Name, label and split that a row gives of its image. */
export interface RowName {
  readonly name: string
  readonly label?: string | undefined
  readonly split?: string | undefined
}

/** A Parquet file of images, opened: its footer is read, its columns are chosen. */
export class ParquetFile {
  private readonly images: FileMetaData
  private readonly names: FileMetaData | undefined
  private readonly marks: readonly FileMetaData[]
  private readonly splits: FileMetaData | undefined
  private readonly pages = new Map<number, Promise<readonly number[]>>()

  private constructor(
    private readonly place: ShardPlace,
    readonly shard: Shard,
    metadata: FileMetaData,
    private readonly columns: ImageColumns,
    readonly groups: readonly RowGroup[],
  ) {
    const { image, name, labels, split } = columns
    this.images = projected(metadata, [image])
    this.names = name === undefined ? undefined : projected(metadata, [name])
    this.marks = labels.map(({ path }) => projected(metadata, [path]))
    this.splits = split === undefined ? undefined : projected(metadata, [split])
  }

  /**
   * @throws LayermillError `ARCHIVE_INVALID` (damaged), `SOURCE_KIND` (no column of images, a row group too large), and what the place
   * throws
   */
  static async open(place: ShardPlace, shard: Shard, { split, labelColumns }: RowsWanted = {}): Promise<ParquetFile> {
    const where = `${place.url}: ${shard.name}`
    return guarded(
      async () => {
        const metadata = await footer(place, shard)
        const { split: splitColumn, ...columns } = imageColumns(metadata, where, labelColumns)
        if (split !== undefined && splitColumn === undefined)
          throw new LayermillError('SOURCE_KIND', `${where}: no column named split, which --split ${split} asks for`)
        const images = projected(metadata, [columns.image])
        const groups = rowGroups(images, where)
        refusePathsAlone(images, where)
        return new ParquetFile(place, shard, metadata, split === undefined ? columns : { ...columns, split: splitColumn }, groups)
      },
      message => invalid(where, message),
    )
  }

  /** The classes' names that the file states, in its order. */
  get classes(): readonly string[] | undefined {
    return this.columns.labels[0]?.classes
  }

  get rows(): number {
    return this.groups.at(-1)?.end ?? 0
  }

  /** The names and labels of a row group's images, in their order. */
  async namesOf(group: RowGroup): Promise<RowName[]> {
    const { name, labels, split } = this.columns
    const columns = [[this.names, name], [this.splits, split], ...labels.map(({ at }, i) => [this.marks[i], at] as const)] as const
    const [names = [], splits = [], ...marks] = await guarded(
      async () => Promise.all(columns.map(async ([metadata, column]) => this.values(metadata, column, group))),
      message => invalid(this.where(group), message),
    )
    return Array.from({ length: group.end - group.start }, (_, i) => ({
      name: text(names[i]) ?? '',
      label: labelOfRow(labels.map(({ classes }, column) => cellOf(marks[column]?.[i], classes))),
      split: labelOfRow([cellOf(splits[i], undefined)]),
    }))
  }

  /** The rows that are decoded together with one: its page where the file has an index of them, else its row group. */
  async blockOf(row: number): Promise<Rows> {
    const group = this.groups.find(({ end }) => row < end)
    if (group === undefined) throw new LayermillError('IMAGE_MISSING', `${this.where()} has no row ${row}`)
    const chunk = this.images.row_groups[group.index]?.columns[0]
    if (chunk?.offset_index_offset === undefined || !chunk.offset_index_length) return group
    const at = Number(chunk.offset_index_offset)
    let pages = this.pages.get(group.index)
    if (pages === undefined) {
      pages = this.pageStarts(group, at, at + chunk.offset_index_length)
      this.pages.set(group.index, pages)
      pages.catch(() => this.pages.delete(group.index))
    }
    const starts = await pages
    const next = starts.findIndex(start => start > row)
    return { start: starts.at(next < 0 ? -1 : next - 1) ?? group.start, end: next < 0 ? group.end : (starts[next] ?? group.end) }
  }

  /** The images of these rows; undefined where there is none. Each is a view of what was decoded. */
  async imagesOf(rows: Rows): Promise<(Uint8Array | undefined)[]> {
    const values = await guarded(
      async () => this.values(this.images, this.columns.image, rows),
      message => unreadable(this.where(rows), message),
    )
    return values.map(value => (value instanceof Uint8Array ? value : undefined))
  }

  /** @param metadata with this column alone: whatever is then read of the file, but indexes, is whole pages */
  private async values(metadata: FileMetaData | undefined, column: ColumnPath | undefined, { start, end }: Rows): Promise<unknown[]> {
    if (metadata === undefined || column === undefined) return []
    const guard = new PageGuard(metadata)
    const indexes = new Set(metadata.row_groups.map(({ columns: [chunk] }) => Number(chunk?.offset_index_offset)))
    const file = bufferOf(this.place, this.shard, (offset, bytes) => {
      if (!indexes.has(offset)) guard.check(bytes)
    })
    const rows = await parquetReadObjects({
      file,
      metadata,
      rowStart: start,
      rowEnd: end,
      utf8: false,
      useOffsetIndex: true,
      geoparquet: false,
      compressors: guard.compressors,
    })
    if (rows.length !== end - start) throw new Error(`${rows.length} rows, expected ${end - start}`)
    return rows.map(row => valueAt(row, column))
  }

  private async pageStarts(group: RowGroup, start: number, end: number): Promise<number[]> {
    return guarded(
      async () => {
        const view = new DataView(await bufferOf(this.place, this.shard).slice(start, end))
        const starts = readOffsetIndex({ view, offset: 0 }).page_locations.map(({ first_row_index: first }) => group.start + Number(first))
        const ascend = starts.every((first, i) => first < group.end && (i === 0 ? first === group.start : first > starts[i - 1]!))
        if (starts.length === 0 || !ascend) throw new Error('the index of its pages is damaged')
        return starts
      },
      message => unreadable(this.where(group), message),
    )
  }

  private where(rows?: Rows): string {
    const group = rows === undefined ? undefined : this.groups.find(({ end }) => rows.start < end)
    return `${this.place.url}: ${this.shard.name}${group === undefined ? '' : `, row group ${group.index}`}`
  }
}

const invalid = (where: string, message: string): LayermillError =>
  new LayermillError('ARCHIVE_INVALID', `${where}: ${message}`, { hint: 'Copy or make the file again.' })

const unreadable = (where: string, message: string): LayermillError => new LayermillError('IMAGE_UNREADABLE', `${where}: ${message}`)

/** Turns errors of a decoder into a LayermillError: at damaged bytes it may throw anything. */
async function guarded<T>(run: () => Promise<T>, failure: (message: string) => LayermillError): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof LayermillError) throw error
    throw failure(`not readable as Parquet: ${errorMessage(error)}`)
  }
}

function bufferOf(place: ShardPlace, shard: Shard, check?: (offset: number, bytes: ArrayBuffer) => void): AsyncBuffer {
  return {
    byteLength: shard.bytes,
    slice: (start, end = shard.bytes) => {
      const read = slice(place, shard, start, end).then(buffer => {
        check?.(start, buffer)
        return buffer
      })
      // Of several reads that fail only the first may be waited for.
      read.catch(() => undefined)
      return read
    },
  }
}

async function slice(place: ShardPlace, shard: Shard, start: number, end: number): Promise<ArrayBuffer> {
  if (!(start >= 0 && start <= end && end <= shard.bytes)) throw new RangeError(`bytes ${start} to ${end} of a file of ${shard.bytes}`)
  if (end - start > largestBlock) throw new RangeError(`${end - start} bytes are needed together, more than ${largestBlock}`)
  const bytes = await place.range(shard, start, end)
  if (bytes.byteLength !== end - start) throw new RangeError(`the file ends at byte ${start + bytes.byteLength}, expected ${end}`)
  return Uint8Array.from(bytes).buffer
}

async function footer(place: ShardPlace, shard: Shard): Promise<FileMetaData> {
  const { bytes } = shard
  if (bytes < 12) throw new Error(`a file of ${bytes} bytes`)
  const file = bufferOf(place, shard)
  const guess = Math.min(bytes, footerGuess)
  const tail = await file.slice(bytes - guess, bytes)
  const view = new DataView(tail)
  if (view.getUint32(guess - 4, true) !== magic) throw new Error('it does not end with PAR1')
  const length = view.getUint32(guess - 8, true) + 8
  if (length > Math.min(bytes, largestFooter)) throw new Error(`a footer of ${length} bytes`)
  return parquetMetadata(length <= guess ? tail : await file.slice(bytes - length, bytes), { geoparquet: false })
}

/** @param metadata of the column of images alone */
function rowGroups(metadata: FileMetaData, where: string): RowGroup[] {
  let start = 0
  return metadata.row_groups.map(({ num_rows: rows, columns }, index) => {
    const [chunk] = columns
    const count = Number(rows)
    if (chunk?.meta_data === undefined) throw new Error(`row group ${index} lacks the column of images, or it is encrypted`)
    if (chunk.file_path !== undefined && chunk.file_path !== '') throw new Error(`row group ${index} is in another file`)
    if (!(count >= 0 && count <= mostRows)) throw new Error(`row group ${index} states ${count} rows`)
    const { num_values: values, total_uncompressed_size: size, total_compressed_size: compressed } = chunk.meta_data
    if (values !== rows) throw new Error(`row group ${index} states ${rows} rows and ${values} images`)
    const imageBytes = Number(size)
    if (!(imageBytes >= 0)) throw new Error(`row group ${index} states ${imageBytes} bytes`)
    if (Math.max(imageBytes, Number(compressed)) > largestBlock && !chunk.offset_index_length) throw tooLarge(where, index, imageBytes)
    const group = { index, start, end: start + count, imageBytes }
    start = group.end
    return group
  })
}

/** Refuses a file whose column of images is empty all through: `datasets` writes the pictures of a folder as their paths alone. */
function refusePathsAlone({ row_groups: groups }: FileMetaData, where: string): void {
  const rows = groups.reduce((sum, { num_rows: count }) => sum + Number(count), 0)
  const empty = groups.reduce((sum, { columns: [chunk] }) => sum + Number(chunk?.meta_data?.statistics?.null_count ?? 0), 0)
  if (rows === 0 || empty < rows) return
  throw new LayermillError('SOURCE_KIND', `${where}: none of its ${rows} rows holds an image, only where the images were`, {
    hint: 'With the datasets library write the pictures themselves: map each image to {"bytes": ..., "path": ...} before to_parquet(), or give the folder of images instead.',
  })
}

function tooLarge(where: string, index: number, bytes: number): LayermillError {
  const mebibytes = (count: number): number => Math.ceil(count / 2 ** 20)
  return new LayermillError(
    'SOURCE_KIND',
    `${where}, row group ${index}: ${mebibytes(bytes)} MiB of images without an index of pages; at most ${mebibytes(largestBlock)} MiB can be decoded together`,
    {
      hint: 'Write it again with fewer rows in a group, or with a page index (pyarrow: row_group_size=100, write_page_index=True).',
    },
  )
}

function valueAt(row: Record<string, unknown>, path: ColumnPath): unknown {
  let value: unknown = row
  for (const part of path) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined
  return value
}

const text = (value: unknown): string | undefined =>
  value instanceof Uint8Array ? new TextDecoder().decode(value) : typeof value === 'string' ? value : undefined

const labelOfRow = (cells: readonly unknown[]): string | undefined => {
  const label = labelText(cells)
  return label === 'invalid' ? undefined : label?.text
}

/** A value of a column of labels: classes by name, nothing where there is no label. */
function cellOf(value: unknown, classes: readonly string[] | undefined): unknown {
  if (Array.isArray(value)) return value.map(item => cellOf(item, classes)).filter(item => item !== undefined)
  // NaN is how columns of floats mark what has no label.
  if (Number.isNaN(value)) return undefined
  if (typeof value === 'bigint' || typeof value === 'number') {
    if (classes === undefined) return value
    // -1 is how the datasets library marks what has no label.
    return Number(value) < 0 ? undefined : (classes[Number(value)] ?? String(value))
  }
  return typeof value === 'boolean' ? value : text(value)
}
