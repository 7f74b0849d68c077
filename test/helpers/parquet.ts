import { writeFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import type { CompressionCodec, SchemaElement } from 'hyparquet'
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer'

/** A zstd frame of blocks that are stored as they are. */
function storedZstd(input: Uint8Array): Uint8Array {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(input.length)
  const blocks: Uint8Array[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0]), size]
  const longest = 128 * 1024
  for (let start = 0; start === 0 || start < input.length; start += longest) {
    const block = input.subarray(start, start + longest)
    const header = Buffer.alloc(3)
    header.writeUIntLE((block.length << 3) | (start + longest >= input.length ? 1 : 0), 0, 3)
    blocks.push(header, block)
  }
  return Uint8Array.from(Buffer.concat(blocks))
}

export interface PictureRow {
  readonly bytes?: Uint8Array | undefined
  readonly path?: string | undefined
  readonly label?: number
}

export interface PictureOptions {
  readonly codec?: CompressionCodec
  readonly rowGroupSize?: number
  readonly pageSize?: number
  readonly offsetIndex?: boolean
  /** The names of classes, noted as the `datasets` library does. */
  readonly classes?: readonly string[]
  /** The same for lists of classes. */
  readonly sequence?: readonly string[]
}

/** Columns as a Parquet file. */
export function parquetOf(
  columnData: ColumnSource[],
  { classes, sequence, offsetIndex, ...options }: PictureOptions & { schema?: SchemaElement[] } = {},
): Uint8Array {
  const label =
    sequence === undefined
      ? { names: classes, _type: 'ClassLabel' }
      : { feature: { names: sequence, _type: 'ClassLabel' }, _type: 'Sequence' }
  const features = { image: { _type: 'Image' }, label }
  return new Uint8Array(
    parquetWriteBuffer({
      ...options,
      columnData: columnData.map(column => ({ ...column, offsetIndex: offsetIndex ?? false })),
      compressors: { ZSTD: storedZstd, GZIP: input => Uint8Array.from(gzipSync(input)) },
      kvMetadata: (classes ?? sequence) === undefined ? [] : [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }],
    }),
  )
}

/** Images in the layout of the Hugging Face hub: a struct of bytes and path, and a label. */
export function pictures(rows: readonly PictureRow[], options: PictureOptions = {}): Uint8Array {
  const schema: SchemaElement[] = [
    { name: 'root', num_children: 2 },
    { name: 'image', repetition_type: 'OPTIONAL', num_children: 2 },
    { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
    { name: 'path', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8' },
    { name: 'label', type: 'INT64', repetition_type: 'OPTIONAL' },
  ]
  const image = rows.map(({ bytes, path }) => ({ bytes, path }))
  const label = rows.map(row => (row.label === undefined ? undefined : BigInt(row.label)))
  return parquetOf(
    [
      { name: 'image', data: image },
      { name: 'label', data: label },
    ],
    { ...options, schema },
  )
}

export async function writePictures(path: string, rows: readonly PictureRow[], options: PictureOptions = {}): Promise<void> {
  await writeFile(path, pictures(rows, options))
}
