import { createHash } from 'node:crypto'

/** Bytes of a block that are aimed at: what is read at once, and checked by one hash. */
const blockBytes = 256 * 1024
const magic = Buffer.from('LMCACHE1', 'latin1')
const hashBytes = 32
/** Magic, rows, bytes of a row, rows of a block, nothing; then the computation's hash. */
const fixedBytes = 24 + hashBytes
/** Beside each row's values: its id, width and height. */
const besidesValues = hashBytes + 8

/** One image's values as they are stored. */
export interface SegmentRow {
  /** 32 bytes. */
  readonly id: Uint8Array
  /** Of the picture, in pixels. */
  readonly width: number
  readonly height: number
  /** Little-endian numbers; as many bytes in every row of a segment. */
  readonly data: Uint8Array
}

/** Layout of a segment: its rows, their bytes, and the rows of a block. */
export interface SegmentLayout {
  readonly rows: number
  readonly rowBytes: number
  readonly rowsPerBlock: number
}

/** Bytes of a segment's header. */
export function headerBytes(rows: number): number {
  return fixedBytes + rows * hashBytes + hashBytes
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

function rowsOfBlock({ rows, rowsPerBlock }: SegmentLayout, block: number): number {
  return Math.min(rowsPerBlock, rows - block * rowsPerBlock)
}

/** Byte range of a block in its segment. `end` is left out. */
export function blockRange(layout: SegmentLayout, block: number): { start: number; end: number } {
  const { rows, rowBytes, rowsPerBlock } = layout
  const start = headerBytes(rows) + block * (rowsPerBlock * (besidesValues + rowBytes) + hashBytes)
  return { start, end: start + rowsOfBlock(layout, block) * (besidesValues + rowBytes) + hashBytes }
}

/** Bytes of a whole segment. */
export function segmentBytes(layout: SegmentLayout): number {
  return blockRange(layout, Math.ceil(layout.rows / layout.rowsPerBlock) - 1).end
}

function writeBlock(target: Buffer, rows: readonly SegmentRow[], rowBytes: number): void {
  const sizes = rows.length * hashBytes
  const values = sizes + rows.length * 8
  for (const [i, { id, width, height, data }] of rows.entries()) {
    target.set(id, i * hashBytes)
    target.writeUInt32LE(width, sizes + i * 8)
    target.writeUInt32LE(height, sizes + i * 8 + 4)
    target.set(data, values + i * rowBytes)
  }
  target.set(sha256(target.subarray(0, -hashBytes)), target.length - hashBytes)
}

/**
 * A segment: some images' values of one computation. The name follows from the computation and the images, so that two who write the
 * same ones write one object.
 * @param computation 32 bytes
 * @param rows at least one, all of the same length
 */
export function encodeSegment(computation: Uint8Array, rows: readonly SegmentRow[]): { name: string; bytes: Uint8Array } {
  const rowBytes = rows[0]!.data.byteLength
  const layout = { rows: rows.length, rowBytes, rowsPerBlock: Math.max(1, Math.floor(blockBytes / (besidesValues + rowBytes))) }
  const bytes = Buffer.alloc(segmentBytes(layout))
  const header = bytes.subarray(0, headerBytes(rows.length))
  header.set(magic)
  for (const [i, value] of [layout.rows, layout.rowBytes, layout.rowsPerBlock, 0].entries()) header.writeUInt32LE(value, 8 + i * 4)
  header.set(computation, 24)
  for (const [i, { id }] of rows.entries()) header.set(id, fixedBytes + i * hashBytes)
  const hash = sha256(header.subarray(0, -hashBytes))
  header.set(hash, header.length - hashBytes)
  for (let block = 0; block * layout.rowsPerBlock < rows.length; block++) {
    const { start, end } = blockRange(layout, block)
    writeBlock(bytes.subarray(start, end), rows.slice(block * layout.rowsPerBlock, (block + 1) * layout.rowsPerBlock), rowBytes)
  }
  return { name: hash.toString('hex').slice(0, 32), bytes }
}

/** How many rows a header, of which these are the first bytes, is of; undefined where it is none. */
export function rowsOfHeader(bytes: Uint8Array): number | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.length >= fixedBytes && view.subarray(0, 8).equals(magic) ? view.readUInt32LE(8) : undefined
}

/** A segment's header: where things are, and the ids of its rows, 32 bytes each. */
export interface SegmentHeader extends SegmentLayout {
  readonly ids: Uint8Array
}

/**
 * Reads a header.
 * @param fileBytes of the whole object
 * @returns undefined where it is damaged, of another computation, or the object is not as long as it says
 */
export function parseHeader(bytes: Uint8Array, computation: Uint8Array, fileBytes: number): SegmentHeader | undefined {
  const rows = rowsOfHeader(bytes)
  if (rows === undefined || rows === 0 || bytes.byteLength < headerBytes(rows)) return undefined
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, headerBytes(rows))
  if (!sha256(header.subarray(0, -hashBytes)).equals(header.subarray(-hashBytes)) || !header.subarray(24, fixedBytes).equals(computation))
    return undefined
  const layout = { rows, rowBytes: header.readUInt32LE(12), rowsPerBlock: header.readUInt32LE(16) }
  if (layout.rowsPerBlock === 0 || segmentBytes(layout) !== fileBytes) return undefined
  return { ...layout, ids: header.subarray(fixedBytes, -hashBytes) }
}

/** A block's rows; undefined where it is damaged. */
export function parseBlock(bytes: Uint8Array, layout: SegmentLayout, block: number): ((row: number) => SegmentRow) | undefined {
  const { start, end } = blockRange(layout, block)
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length !== end - start || !sha256(view.subarray(0, -hashBytes)).equals(view.subarray(-hashBytes))) return undefined
  const sizes = rowsOfBlock(layout, block) * hashBytes
  const values = sizes + rowsOfBlock(layout, block) * 8
  return row => ({
    id: view.subarray(row * hashBytes, (row + 1) * hashBytes),
    width: view.readUInt32LE(sizes + row * 8),
    height: view.readUInt32LE(sizes + row * 8 + 4),
    data: view.subarray(values + row * layout.rowBytes, values + (row + 1) * layout.rowBytes),
  })
}
