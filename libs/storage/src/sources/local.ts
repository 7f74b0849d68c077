import { constants } from 'node:fs'
import { type FileHandle, lstat, open, stat } from 'node:fs/promises'
import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import { fileEtag } from '../files/etag.js'
import { isAbsent } from '../files/file-errors.js'
import { readRange } from '../files/read.js'

/** Errors of disks and network file systems that another try may not meet. */
const transient = new Set(['EIO', 'ESTALE', 'ETIMEDOUT', 'EAGAIN', 'EBUSY', 'EMFILE', 'ENFILE', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENOTCONN'])

/** A failed reading of a file as the image's error, or as the network's where another try may succeed. */
export function imageError(path: string | Buffer, error: unknown): LayermillError {
  if (error instanceof LayermillError) return error
  if (isAbsent(error)) return new LayermillError('IMAGE_MISSING', `${path.toString()} does not exist`, { cause: error })
  const code = transient.has(errorCode(error)) ? 'SOURCE_UNREACHABLE' : 'IMAGE_UNREADABLE'
  return new LayermillError(code, `cannot read ${path.toString()}: ${errorMessage(error)}`, { cause: error })
}

/** A local image's size and version, undefined where there is no such file. */
export async function statImage(path: string | Buffer): Promise<{ bytes: number; etag: string } | undefined> {
  try {
    const info = await stat(path, { bigint: true })
    return info.isFile() ? { bytes: Number(info.size), etag: fileEtag(info) } : undefined
  } catch (error) {
    const failure = imageError(path, error)
    if (failure.code === 'SOURCE_UNREACHABLE') throw failure
    return undefined
  }
}

/** Whether a link is there that leads to no file. */
export async function isBrokenLink(path: string | Buffer): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isSymbolicLink() === true
}

/** The first bytes of a file, fewer where it is shorter; none where it cannot be read. */
export async function readBeginning(path: string | Buffer, bytes: number): Promise<Uint8Array> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined)
  return file === undefined ? new Uint8Array() : await readRange(file, 0, bytes).catch(() => new Uint8Array())
}

/** A local image's bytes, of exactly the version listed: a file that changes while it is read is refused too. */
export async function readImage(path: string | Buffer, etag: string | undefined): Promise<Uint8Array> {
  let file: FileHandle | undefined
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const before = await file.stat({ bigint: true })
    if (!before.isFile()) throw new LayermillError('IMAGE_UNREADABLE', `${path.toString()} is not a file`)
    const listed = etag === undefined || etag === '' ? fileEtag(before) : etag
    if (fileEtag(before) !== listed) throw changedImage(path)
    const bytes = await readRange(file, 0, Infinity)
    if (fileEtag(await file.stat({ bigint: true })) !== listed || bytes.byteLength !== Number(before.size)) throw changedImage(path)
    return bytes
  } catch (error) {
    throw imageError(path, error)
  } finally {
    await file?.close()
  }
}

export function changedImage(path: string | Buffer): LayermillError {
  return new LayermillError('IMAGE_CHANGED', `${path.toString()} has changed since it was listed`, { hint: 'Run again to list it anew.' })
}
