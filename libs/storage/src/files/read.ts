import type { FileHandle } from 'node:fs/promises'

/** Bytes asked of the system in one read; one call cannot give 2 GiB or more. */
const readChunk = 256 * 1024 * 1024

export interface ReadRangeOptions {
  /** Memory to read into, where the bytes fit. */
  readonly room?: Uint8Array | undefined
  /** Bytes of the file, where they are known; else the file is asked for them. */
  readonly size?: number
}

/** A file's bytes from `start` up to `end` or its end; one allocation, any size, none where they fit into `room`. */
export async function readRange(file: FileHandle, start: number, end: number, { room, size }: ReadRangeOptions = {}): Promise<Uint8Array> {
  const available = size ?? (await file.stat()).size
  const length = Math.max(0, Math.min(end, available) - start)
  const bytes = room !== undefined && room.length >= length ? room.subarray(0, length) : new Uint8Array(new ArrayBuffer(length))
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, Math.min(readChunk, length - filled), start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled === length ? bytes : bytes.subarray(0, filled)
}
