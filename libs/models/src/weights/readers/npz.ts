import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import yauzl from 'yauzl'
import type { Entry, ZipFile } from 'yauzl'
import { LayermillError, errorMessage } from '../../errors.js'
import { readBytes, truncated } from '../random-access.js'
import type { RandomAccess } from '../random-access.js'
import type { TensorEntry, TensorFile } from '../types.js'
import { MAX_NPY_HEADER, npyHeaderLength, parseNpyHeader, readNpyData } from './npy.js'

/** More entries than any network has; an archive of millions of empty ones would fill the memory. */
const MAX_ENTRIES = 20_000
/** DEFLATE cannot shrink more than about 1032 to 1: what claims to is forged. */
const MAX_RATIO = 1040
const CHUNK = 1024 * 1024
const STORED = 0
const DEFLATED = 8

/** Lets the zip library read through RandomAccess. */
class ZipSource extends yauzl.RandomAccessReader {
  readonly #file: RandomAccess

  constructor(file: RandomAccess) {
    super()
    this.#file = file
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const file = this.#file
    return Readable.from(
      (async function* () {
        for (let offset = start; offset < end; offset += CHUNK) yield await readBytes(file, offset, Math.min(CHUNK, end - offset))
      })(),
      { objectMode: false },
    )
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    void this.#deliver(position, buffer.subarray(offset, offset + length), callback)
  }

  async #deliver(position: number, target: Buffer, callback: (error: Error | null) => void): Promise<void> {
    let failure: Error | null = null
    try {
      await this.#file.read(position, target)
    } catch (error) {
      failure = error instanceof Error ? error : new Error(errorMessage(error))
    }
    // Not from within the promise: what the library throws there must not become an unhandled rejection.
    setImmediate(callback, failure)
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null)
  }
}

function malformed(file: RandomAccess, what: string, cause?: unknown): LayermillError {
  return new LayermillError('WEIGHTS_FORMAT', `${file.name} is not a valid .npz archive: ${what}`, { cause })
}

function checkEntry(file: RandomAccess, entry: Entry): void {
  if (entry.isEncrypted()) throw malformed(file, `${entry.fileName} is encrypted`)
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw malformed(file, `${entry.fileName} is compressed by method ${entry.compressionMethod}; 0 (stored) or 8 (deflated) was expected`)
  }
  if (entry.uncompressedSize > MAX_RATIO * (entry.compressedSize + 64)) {
    throw new LayermillError(
      'WEIGHTS_FORMAT',
      `${entry.fileName} in ${file.name} would grow from ${entry.compressedSize} to ${entry.uncompressedSize} bytes, which no honest archive does`,
    )
  }
}

/** Fills `target` from a stream's bytes after the first `skip`, which fill `head`; all bytes must be there and no more. */
async function inflateInto(file: RandomAccess, zip: ZipFile, entry: Entry, skip: number, target: Uint8Array): Promise<void> {
  const stream = await zip.openReadStreamPromise(entry)
  let position = -skip
  let checksum = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    checksum = crc32(chunk, checksum)
    const from = Math.max(0, -position)
    if (position + chunk.length > target.length) throw malformed(file, `${entry.fileName} is longer than its header says`)
    if (from < chunk.length) target.set(chunk.subarray(from), position + from)
    position += chunk.length
  }
  if (position < target.length) throw truncated({ name: `${entry.fileName} in ${file.name}`, size: position + skip }, target.length + skip)
  if (checksum !== entry.crc32) throw malformed(file, `${entry.fileName} does not match its checksum`)
}

async function readHead(file: RandomAccess, zip: ZipFile, entry: Entry, dataStart: number): Promise<Buffer> {
  const name = `${entry.fileName} in ${file.name}`
  if (entry.compressionMethod === STORED) {
    const start = await readBytes(file, dataStart, Math.min(12, entry.uncompressedSize))
    return readBytes(file, dataStart, Math.min(npyHeaderLength(name, start), entry.uncompressedSize))
  }
  const stream = await zip.openReadStreamPromise(entry)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= MAX_NPY_HEADER) break
  }
  return Buffer.concat(chunks)
}

async function openEntry(file: RandomAccess, zip: ZipFile, entry: Entry): Promise<TensorEntry> {
  checkEntry(file, entry)
  const name = `${entry.fileName} in ${file.name}`
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
  const head = await readHead(file, zip, entry, fileDataStart)
  const header = parseNpyHeader(name, head)
  if (header.dataBytes !== undefined && header.dataOffset + header.dataBytes !== entry.uncompressedSize) {
    throw malformed(file, `${entry.fileName} is ${entry.uncompressedSize} bytes long, but its header asks for ${header.dataOffset + header.dataBytes}`)
  }
  return {
    shape: header.shape,
    dtype: header.descr,
    read: () =>
      readNpyData(name, header, async target => {
        if (entry.compressionMethod === DEFLATED) {
          await inflateInto(file, zip, entry, header.dataOffset, target)
          return
        }
        await file.read(fileDataStart + header.dataOffset, target)
        if (crc32(target, crc32(head.subarray(0, header.dataOffset))) !== entry.crc32) {
          throw malformed(file, `${entry.fileName} does not match its checksum`)
        }
      }),
  }
}

/** The archive's comment as metadata: the JSON object of texts that this project writes there, else nothing. */
function parseComment(comment: string): Map<string, string> {
  try {
    const value: unknown = JSON.parse(comment)
    if (typeof value !== 'object' || value === null) return new Map()
    return new Map(Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'))
  } catch {
    return new Map()
  }
}

async function listEntries(file: RandomAccess, zip: ZipFile): Promise<Map<string, TensorEntry>> {
  if (zip.entryCount > MAX_ENTRIES) throw malformed(file, `it has ${zip.entryCount} entries (at most ${MAX_ENTRIES})`)
  const entries = new Map<string, TensorEntry>()
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('/')) continue
    if (!entry.fileName.endsWith('.npy')) throw malformed(file, `it contains ${entry.fileName}, which is not an .npy array`)
    const key = entry.fileName.slice(0, -'.npy'.length)
    if (entries.has(key)) throw malformed(file, `it contains ${entry.fileName} twice`)
    entries.set(key, await openEntry(file, zip, entry))
  }
  return entries
}

/**
 * Opens an `.npz` archive (stored or deflated, zip64).
 * @throws LayermillError `WEIGHTS_FORMAT` (not a zip, encrypted, a zip bomb, not NumPy arrays), `WEIGHTS_TRUNCATED`.
 */
export async function openNpz(file: RandomAccess): Promise<TensorFile> {
  try {
    const zip = await yauzl.fromRandomAccessReaderPromise(new ZipSource(file), file.size, { autoClose: false })
    const entries = await listEntries(file, zip)
    return { name: file.name, format: 'npz', entries, metadata: parseComment(zip.comment), close: () => Promise.resolve(zip.close()) }
  } catch (cause) {
    if (cause instanceof LayermillError) throw cause
    const message = errorMessage(cause)
    if (/end of central directory|unexpected end|out of range|beyond/i.test(message)) {
      throw new LayermillError('WEIGHTS_TRUNCATED', `${file.name} is a cut-off .npz archive: ${message}`, { cause })
    }
    throw malformed(file, message, cause)
  }
}
