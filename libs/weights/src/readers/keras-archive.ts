import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Entry, ZipFile } from 'yauzl'
import { errorMessage, LayermillError, openFile, type RandomAccess, truncated } from '@layermill/core'
import type { TensorFile } from '../types.js'
import { openH5 } from './h5.js'
import { kerasFacts, maxConfigBytes } from './keras-config.js'
import { checkEntry, malformedZip, openZip } from './zip.js'

const weightsEntry = 'model.weights.h5'
const config = 'config.json'
/** Layers may keep files of their own beside the three of the format. */
const maxEntries = 1000
/** Several times the largest network in float64 with an optimizer's state. */
const maxWeightsBytes = 8 * 1024 ** 3

const malformed = (file: RandomAccess, what: string, cause?: unknown): LayermillError => malformedZip(file, what, cause, '.keras archive')

async function knownEntries(file: RandomAccess, zip: ZipFile): Promise<Map<string, Entry>> {
  if (zip.entryCount > maxEntries) throw malformed(file, `it has ${zip.entryCount} entries (at most ${maxEntries})`)
  const entries = new Map<string, Entry>()
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName !== weightsEntry && entry.fileName !== config) continue
    if (entries.has(entry.fileName)) throw malformed(file, `it contains ${entry.fileName} twice`)
    checkEntry(file, entry)
    entries.set(entry.fileName, entry)
  }
  return entries
}

/** Hands out an entry's bytes, as many as it claims and at most `limit`, and checks them. */
async function readEntry(file: RandomAccess, zip: ZipFile, entry: Entry, limit: number, take: (chunk: Buffer) => unknown): Promise<void> {
  if (entry.uncompressedSize > limit)
    throw malformed(file, `${entry.fileName} would be ${entry.uncompressedSize} bytes long (at most ${limit})`)
  let length = 0
  let checksum = 0
  for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > entry.uncompressedSize) throw malformed(file, `${entry.fileName} is longer than the archive says`)
    checksum = crc32(chunk, checksum)
    await take(chunk)
  }
  if (length < entry.uncompressedSize) throw truncated({ name: `${entry.fileName} in ${file.name}`, size: length }, entry.uncompressedSize)
  if (checksum !== entry.crc32) throw malformed(file, `${entry.fileName} does not match its checksum`)
}

async function readText(file: RandomAccess, zip: ZipFile, entry: Entry | undefined): Promise<string> {
  if (entry === undefined) return ''
  const chunks: Buffer[] = []
  await readEntry(file, zip, entry, maxConfigBytes, chunk => chunks.push(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

/** The weights lie in the archive as a whole HDF5 file, which is read from disk. */
async function extractWeights(file: RandomAccess, zip: ZipFile, entry: Entry, path: string): Promise<void> {
  await using handle = await open(path, 'w')
  await readEntry(file, zip, entry, maxWeightsBytes, chunk => handle.writeFile(chunk))
}

async function openExtracted(file: RandomAccess, zip: ZipFile, folder: string): Promise<TensorFile> {
  const entries = await knownEntries(file, zip)
  const weights = entries.get(weightsEntry)
  if (weights === undefined) throw malformed(file, `it has no ${weightsEntry}`)
  const model = kerasFacts(await readText(file, zip, entries.get(config)))
  const path = join(folder, 'weights.h5')
  await extractWeights(file, zip, weights, path)
  const extracted = await openFile(path)
  try {
    const opened = await openH5({ ...extracted, name: file.name })
    const close = async (): Promise<void> => {
      await opened.close()
      await extracted.close()
      await rm(folder, { recursive: true, force: true })
    }
    return { ...opened, format: 'keras', model, close }
  } catch (error) {
    await extracted.close()
    throw error
  }
}

/**
 * Opens a `.keras` archive: the HDF5 file in it, and what its description says of the model. Nothing of it is carried out.
 * @throws LayermillError `WEIGHTS_FORMAT`, `WEIGHTS_TRUNCATED`.
 */
export async function openKerasArchive(file: RandomAccess): Promise<TensorFile> {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-'))
  let zip: ZipFile | undefined
  try {
    zip = await openZip(file)
    return await openExtracted(file, zip, folder)
  } catch (cause) {
    await rm(folder, { recursive: true, force: true })
    if (cause instanceof LayermillError) throw cause
    throw malformed(file, errorMessage(cause), cause)
  } finally {
    zip?.close()
  }
}
