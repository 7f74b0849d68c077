import { Readable } from 'node:stream'
import yauzl from 'yauzl'
import type { Entry, ZipFile } from 'yauzl'
import { errorMessage, LayermillError, type RandomAccess, readBytes } from '@layermill/core'

/** DEFLATE cannot shrink more than about 1032 to 1: what claims to is forged. */
const maxRatio = 1040
const chunk = 1024 * 1024
export const stored = 0
export const deflated = 8

/** Lets the zip library read through RandomAccess. */
class ZipSource extends yauzl.RandomAccessReader {
  private readonly file: RandomAccess

  constructor(file: RandomAccess) {
    super()
    this.file = file
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const file = this.file
    return Readable.from(
      (async function* () {
        for (let offset = start; offset < end; offset += chunk) yield await readBytes(file, offset, Math.min(chunk, end - offset))
      })(),
      { objectMode: false },
    )
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    void this.deliver(position, buffer.subarray(offset, offset + length), callback)
  }

  private async deliver(position: number, target: Buffer, callback: (error: Error | null) => void): Promise<void> {
    let failure: Error | null = null
    try {
      await this.file.read(position, target)
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

/** Opens a zip archive for reading entry by entry. */
export function openZip(file: RandomAccess): Promise<ZipFile> {
  return yauzl.fromRandomAccessReaderPromise(new ZipSource(file), file.size, { autoClose: false })
}

/**
 * Refuses what cannot be read or claims to be larger than it can be.
 * @throws LayermillError `WEIGHTS_FORMAT`
 */
export function checkEntry(file: RandomAccess, entry: Entry): void {
  if (entry.isEncrypted()) throw malformedZip(file, `${entry.fileName} is encrypted`)
  if (entry.compressionMethod !== stored && entry.compressionMethod !== deflated) {
    throw malformedZip(
      file,
      `${entry.fileName} is compressed by method ${entry.compressionMethod}; 0 (stored) or 8 (deflated) was expected`,
    )
  }
  if (entry.uncompressedSize > maxRatio * (entry.compressedSize + 64)) {
    throw new LayermillError(
      'WEIGHTS_FORMAT',
      `${entry.fileName} in ${file.name} would grow from ${entry.compressedSize} to ${entry.uncompressedSize} bytes, which no honest archive does`,
    )
  }
}

/** `kind`: what the archive should be, `.npz archive`. */
export function malformedZip(file: RandomAccess, what: string, cause?: unknown, kind = '.npz archive'): LayermillError {
  return new LayermillError('WEIGHTS_FORMAT', `${file.name} is not a valid ${kind}: ${what}`, { cause })
}
