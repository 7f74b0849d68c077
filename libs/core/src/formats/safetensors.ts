/** Bytes before a safetensors file's header: its length. */
const lengthBytes = 8

/** The name in a header under which texts are, not a tensor. */
export const safetensorsMetadata = '__metadata__'

/** The format's own limit on headers, in bytes. */
export const mostSafetensorsHeaderBytes = 100_000_000

/** A tensor as a header names it: its data follow those of the one before. */
export interface SafetensorsItem {
  readonly name: string
  /** `F32`, `F16`, `I64` and others. */
  readonly dtype: string
  readonly shape: readonly number[]
  /** Length of its data. */
  readonly bytes: number
}

/** The JSON of a header: the metadata, if there are any, then the tensors in their order. */
export function safetensorsText(items: Iterable<SafetensorsItem>, metadata: Readonly<Record<string, string>> = {}): string {
  const entries: Record<string, unknown> = Object.keys(metadata).length === 0 ? {} : { [safetensorsMetadata]: metadata }
  let offset = 0
  for (const { name, dtype, shape, bytes } of items) {
    entries[name] = { dtype, shape, data_offsets: [offset, offset + bytes] }
    offset += bytes
  }
  return JSON.stringify(entries)
}

/** Bytes of the length, the text and the spaces behind it, so that the data begin at a multiple of `alignment` bytes. */
export function safetensorsHeaderBytes(text: string, alignment: number): number {
  return Math.ceil((lengthBytes + Buffer.byteLength(text)) / alignment) * alignment
}

/** Fills `target`, which is as long as the header, with length, text and spaces. */
export function writeSafetensorsHeader(target: Buffer, text: string): void {
  target.writeBigUInt64LE(BigInt(target.length - lengthBytes))
  target.fill(' ', lengthBytes)
  target.write(text, lengthBytes, 'utf8')
}

/** Length, text and spaces; see `safetensorsHeaderBytes`. */
export function safetensorsHeader(text: string, alignment: number): Buffer {
  const header = Buffer.alloc(safetensorsHeaderBytes(text, alignment))
  writeSafetensorsHeader(header, text)
  return header
}

/** Length of the JSON that follows, in bytes, by a file's first eight; more than 2^53 comes out rounded. */
export function safetensorsTextBytes(first: Uint8Array): number {
  return Number(new DataView(first.buffer, first.byteOffset, first.byteLength).getBigUint64(0, true))
}

/** Content of a safetensors file: bytes of each tensor by name, in memory of its own. */
export interface SafetensorsContent {
  readonly metadata: Readonly<Record<string, string>>
  readonly tensors: ReadonlyMap<
    string,
    { readonly dtype: string; readonly shape: readonly number[]; readonly data: Uint8Array<ArrayBuffer> }
  >
}

/**
 * Reads a whole file that this project wrote.
 * @throws Error in the words of what is wrong with it: the caller names the file
 */
export function readSafetensors(bytes: Uint8Array): SafetensorsContent {
  const length = bytes.length < lengthBytes ? 0 : safetensorsTextBytes(bytes)
  const start = lengthBytes + length
  if (start > bytes.length) throw new Error('it is cut off')
  const header = JSON.parse(Buffer.from(bytes.subarray(lengthBytes, start)).toString('utf8')) as Record<
    string,
    { readonly dtype: string; readonly shape: readonly number[]; readonly data_offsets: readonly [number, number] }
  >
  const { [safetensorsMetadata]: metadata = {}, ...items } = header
  const tensors = new Map(
    Object.entries(items).map(([name, { dtype, shape, data_offsets }]) => {
      const [from, to] = data_offsets
      if (!(from >= 0 && to >= from && start + to <= bytes.length)) throw new Error(`${name} is cut off`)
      return [name, { dtype, shape, data: new Uint8Array(bytes.subarray(start + from, start + to)) }]
    }),
  )
  return { metadata, tensors }
}
