import { crc32 } from 'node:zlib'
import type { Entry, ZipFile } from 'yauzl'
import { errorMessage, LayermillError, type RandomAccess, readBytes, truncated } from '@layermill/core'
import type { TensorEntry, TensorFile } from '../types.js'
import { deflated, stored, checkEntry, malformedZip, openZip } from './zip.js'
import { maxNpyHeader, type NpyHeader, npyHeaderLength, parseNpyHeader, readNpyData } from './npy.js'

/** More entries than any network has; an archive of millions of empty ones would fill the memory. */
const maxEntries = 20_000

/** Fills `target` from a stream's bytes after the first `skip`, which fill `head`; all bytes must be there and no more. */
async function inflateInto(file: RandomAccess, zip: ZipFile, entry: Entry, skip: number, target: Uint8Array): Promise<void> {
  const stream = await zip.openReadStreamPromise(entry)
  let position = -skip
  let checksum = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    checksum = crc32(chunk, checksum)
    const from = Math.max(0, -position)
    if (position + chunk.length > target.length) throw malformedZip(file, `${entry.fileName} is longer than its header says`)
    if (from < chunk.length) target.set(chunk.subarray(from), position + from)
    position += chunk.length
  }
  if (position < target.length) throw truncated({ name: `${entry.fileName} in ${file.name}`, size: position + skip }, target.length + skip)
  if (checksum !== entry.crc32) throw malformedZip(file, `${entry.fileName} does not match its checksum`)
}

async function readHead(file: RandomAccess, zip: ZipFile, entry: Entry, dataStart: number): Promise<Buffer> {
  const name = `${entry.fileName} in ${file.name}`
  if (entry.compressionMethod === stored) {
    const start = await readBytes(file, dataStart, Math.min(12, entry.uncompressedSize))
    return readBytes(file, dataStart, Math.min(npyHeaderLength(name, start), entry.uncompressedSize))
  }
  const stream = await zip.openReadStreamPromise(entry)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= maxNpyHeader) break
  }
  return Buffer.concat(chunks)
}

/** An array of an archive, as its bytes. */
export interface NpzArray extends NpyHeader {
  readonly bytes: () => Promise<Uint8Array>
}

async function openArray(
  file: RandomAccess,
  zip: ZipFile,
  entry: Entry,
): Promise<NpzArray & { readInto: (target: Uint8Array) => Promise<void> }> {
  checkEntry(file, entry)
  const name = `${entry.fileName} in ${file.name}`
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
  const head = await readHead(file, zip, entry, fileDataStart)
  const header = parseNpyHeader(name, head)
  if (header.dataBytes !== undefined && header.dataOffset + header.dataBytes !== entry.uncompressedSize) {
    throw malformedZip(
      file,
      `${entry.fileName} is ${entry.uncompressedSize} bytes long, but its header asks for ${header.dataOffset + header.dataBytes}`,
    )
  }
  const readInto = async (target: Uint8Array): Promise<void> => {
    if (entry.compressionMethod === deflated) {
      await inflateInto(file, zip, entry, header.dataOffset, target)
      return
    }
    await file.read(fileDataStart + header.dataOffset, target)
    if (crc32(target, crc32(head.subarray(0, header.dataOffset))) !== entry.crc32) {
      throw malformedZip(file, `${entry.fileName} does not match its checksum`)
    }
  }
  const bytes = async (): Promise<Uint8Array> => {
    const target = new Uint8Array(entry.uncompressedSize - header.dataOffset)
    await readInto(target)
    return target
  }
  return { ...header, bytes, readInto }
}

async function openEntry(file: RandomAccess, zip: ZipFile, entry: Entry): Promise<TensorEntry> {
  const array = await openArray(file, zip, entry)
  return {
    shape: array.shape,
    dtype: array.descr,
    read: () => readNpyData(`${entry.fileName} in ${file.name}`, array, array.readInto),
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

async function listEntries<Found>(
  file: RandomAccess,
  zip: ZipFile,
  open: (file: RandomAccess, zip: ZipFile, entry: Entry) => Promise<Found>,
): Promise<Map<string, Found>> {
  if (zip.entryCount > maxEntries) throw malformedZip(file, `it has ${zip.entryCount} entries (at most ${maxEntries})`)
  const entries = new Map<string, Found>()
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('/')) continue
    if (!entry.fileName.endsWith('.npy')) throw malformedZip(file, `it contains ${entry.fileName}, which is not an .npy array`)
    const key = entry.fileName.slice(0, -'.npy'.length)
    if (entries.has(key)) throw malformedZip(file, `it contains ${entry.fileName} twice`)
    entries.set(key, await open(file, zip, entry))
  }
  return entries
}

async function opened<Result>(file: RandomAccess, use: (zip: ZipFile) => Promise<Result>): Promise<Result> {
  try {
    return await use(await openZip(file))
  } catch (cause) {
    if (cause instanceof LayermillError) throw cause
    const message = errorMessage(cause)
    if (/end of central directory|unexpected end|out of range|beyond/i.test(message)) {
      throw new LayermillError('WEIGHTS_TRUNCATED', `${file.name} is a cut-off .npz archive: ${message}`, { cause })
    }
    throw malformedZip(file, message, cause)
  }
}

/**
 * The arrays of an `.npz` archive in the types that they have, also texts; each is read when it is asked for.
 * @throws LayermillError as `openNpz`
 */
export async function openNpzArrays(file: RandomAccess): Promise<{ readonly arrays: ReadonlyMap<string, NpzArray>; close: () => void }> {
  return opened(file, async zip => ({ arrays: await listEntries(file, zip, openArray), close: () => zip.close() }))
}

/**
 * Opens an `.npz` archive (stored or deflated, zip64).
 * @throws LayermillError `WEIGHTS_FORMAT` (not a zip, encrypted, a zip bomb, not NumPy arrays), `WEIGHTS_TRUNCATED`.
 */
export async function openNpz(file: RandomAccess): Promise<TensorFile> {
  return opened(file, async zip => {
    const entries = await listEntries(file, zip, openEntry)
    const close = async (): Promise<void> => zip.close()
    return { name: file.name, format: 'npz', entries, metadata: parseComment(zip.comment), close, [Symbol.asyncDispose]: close }
  })
}
