import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, link, open, realpath, rename, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { errorCode, LayermillError } from '@layermill/core'
import { makeFolders } from './make-folders.js'
import { checkKey } from '../keys.js'
import { Pieces } from '../pieces.js'
import { mapOrdered } from '../prefetch.js'
import type { PutOptions, Store, StoreEntry } from '../store.js'
import { fileEtag } from './etag.js'
import { fileError, isAbsent } from './file-errors.js'
import { readRange } from './read.js'
import { walkFiles } from './walk.js'
import { removeLeftBehind, removeOwn, scratchFolder, sweepScratch, withLock, Writer } from './writers.js'

/** Bytes handed to the system in one write: large enough to be fast, small enough to stay under the 2 GiB limit of one call. */
const writeChunk = 16 * 1024 * 1024
/** Files looked at at once while listing: what a disk and libuv's threads keep busy with. */
const statsAtOnce = 64

/**
 * A folder as a store. Every write goes to a scratch file, is flushed to the disk, then renamed (or linked, for `ifAbsent`) into place and
 * the folder flushed, so that a crash or a power cut leaves the old file or the new one. Symbolic links are not listed, and keys that
 * lead out of the root through one are refused. `ifMatch` is exact among writers that use it and best effort against those that do not.
 */
export class FileStore implements Store {
  readonly url: string
  private readonly writer = new Writer()
  private swept: Promise<void> | undefined
  private realRoot: string | undefined

  /** @param root an absolute path; the folder is made by the first write. */
  constructor(readonly root: string) {
    this.url = pathToFileURL(root).href
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.read('read', key, (file, { size }) => readRange(file, 0, Infinity, { size: Number(size) }))
  }

  async getRange(key: string, start: number, end: number, room?: Uint8Array): Promise<Uint8Array | undefined> {
    return this.read('read', key, (file, { size }) => readRange(file, start, end, { room, size: Number(size) }))
  }

  async stat(key: string): Promise<StoreEntry | undefined> {
    return this.read('look at', key, async (_, info) => ({ key, bytes: Number(info.size), etag: fileEtag(info) }))
  }

  async put(key: string, bytes: Uint8Array | string, options: PutOptions = {}): Promise<boolean> {
    return this.putPieces(key, [typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes], options)
  }

  async putStream(key: string, pieces: AsyncIterable<Uint8Array>, options: Pick<PutOptions, 'ifAbsent'> = {}): Promise<boolean> {
    return this.putPieces(key, new Pieces(pieces), options)
  }

  private async putPieces(key: string, pieces: Pieces | readonly Uint8Array[], options: PutOptions): Promise<boolean> {
    const path = this.pathOf(key)
    this.swept ??= sweepScratch(this.root, this.writer)
    await this.swept
    await removeLeftBehind(this.root)
    try {
      if (options.ifAbsent === true && (await this.stat(key)) !== undefined) return false
      if (options.ifMatch !== undefined && (await this.stat(key))?.etag !== options.ifMatch) return false
      await this.makeFolder(dirname(path))
      return await this.write(key, pieces, options)
    } catch (error) {
      if (pieces instanceof Pieces && pieces.threw(error)) throw error
      throw fileError('write', path, error)
    }
  }

  async *list(prefix: string, options: { after?: string } = {}): AsyncGenerator<StoreEntry> {
    if (prefix !== '') checkKey(prefix.replace(/\/$/, ''), this.url)
    const root = this.root
    const keys = walkFiles(root, {
      prefix,
      after: options.after,
      accept: key => key !== scratchFolder,
      onUnreadable: (key, error) => {
        throw fileError('list', join(root, key), error)
      },
    })
    const entries = mapOrdered(keys, statsAtOnce, async key => {
      const info = await stat(join(root, key), { bigint: true }).catch(() => undefined)
      return info === undefined ? undefined : { key, bytes: Number(info.size), etag: fileEtag(info) }
    })
    // A file deleted between being listed and looked at is not there.
    for await (const entry of entries) if (entry !== undefined) yield entry
  }

  async delete(key: string): Promise<void> {
    const path = this.pathOf(key)
    try {
      await this.checkInside(dirname(path))
      await unlink(path)
      await flushFolder(dirname(path))
    } catch (error) {
      if (!isAbsent(error)) throw fileError('delete', path, error)
    }
  }

  async swapsExactly(): Promise<boolean> {
    return true
  }

  async freeBytes(): Promise<number | undefined> {
    for (let path = this.root; ; path = dirname(path)) {
      try {
        const info = await statfs(path)
        return info.bavail * info.bsize
      } catch (error) {
        if (!isAbsent(error) || path === dirname(path)) throw fileError('measure', this.root, error)
      }
    }
  }

  async close(): Promise<void> {
    if (this.swept !== undefined) await sweepScratch(this.root, this.writer)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private pathOf(key: string): string {
    checkKey(key, this.url)
    if (key.split('/')[0] === scratchFolder)
      throw new LayermillError('KEY_INVALID', `${this.url}: ${scratchFolder} is kept for files being written`)
    return join(this.root, key)
  }

  /** Opens a key's file for `use`; undefined where there is nothing, or a folder. */
  private async read<T>(action: string, key: string, use: (file: FileHandle, info: BigIntStats) => Promise<T>): Promise<T | undefined> {
    const path = this.pathOf(key)
    let file: FileHandle | undefined
    try {
      await this.checkInside(path)
      // Without O_NONBLOCK opening a pipe would wait for its writer.
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
      const info = await file.stat({ bigint: true })
      return info.isFile() ? await use(file, info) : undefined
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw fileError(action, path, error)
    } finally {
      await file?.close()
    }
  }

  private async write(key: string, pieces: Pieces | readonly Uint8Array[], { ifAbsent, ifMatch }: PutOptions): Promise<boolean> {
    const path = join(this.root, key)
    const scratch = join(this.root, scratchFolder, this.writer.scratchName())
    const file = await openScratch(scratch)
    let placed = false
    try {
      await writeDurably(file, pieces)
      if (ifMatch !== undefined) placed = await this.replace(scratch, key, ifMatch)
      else if (ifAbsent === true) placed = await this.linkOrLock(scratch, key)
      else {
        await rename(scratch, path)
        placed = true
      }
    } finally {
      // A linked file has its scratch name still; a renamed one has not.
      if (placed) await unlink(scratch).catch(() => undefined)
      else await removeOwn(scratch)
    }
    if (!placed) return false
    await flushFolder(dirname(path))
    return true
  }

  /**
   * Puts a scratch file in the place of one version. The key's lock is held only meanwhile: a writer that dies or stops with it is in the
   * way of others.
   */
  private async replace(scratch: string, key: string, version: string): Promise<boolean> {
    return withLock(this.root, key, this.writer, async () => {
      if ((await this.stat(key))?.etag !== version) return false
      await rename(scratch, join(this.root, key))
      return true
    })
  }

  /** Gives a scratch file its key unless that exists: by a hard link, or under the key's lock where the file system has no such links. */
  private async linkOrLock(scratch: string, key: string): Promise<boolean> {
    try {
      await link(scratch, join(this.root, key))
      return true
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errorCode(error))) throw error
    }
    return withLock(this.root, key, this.writer, async () => {
      if ((await this.stat(key)) !== undefined) return false
      await rename(scratch, join(this.root, key))
      return true
    })
  }

  /** Makes a folder below the root, flushing each one made, so that a file in it survives a power cut. */
  private async makeFolder(path: string): Promise<void> {
    await this.checkInside(path)
    const first = await makeFolders(path)
    if (first === undefined) return
    for (let made = path; made.length >= first.length; made = dirname(made)) await flushFolder(dirname(made))
    await this.checkInside(path)
  }

  /** Throws `KEY_INVALID` where a path, as far as it exists, leads out of the root through a symbolic link. */
  private async checkInside(path: string): Promise<void> {
    this.realRoot ??= await realpath(this.root).catch(() => undefined)
    if (this.realRoot === undefined) return
    for (let existing = path; existing.length > this.root.length; existing = dirname(existing)) {
      const real = await realpath(existing).catch((error: unknown) => {
        if (isAbsent(error)) return undefined
        throw error
      })
      if (real === undefined) continue
      if (real.startsWith(this.realRoot === sep ? sep : this.realRoot + sep)) return
      throw new LayermillError('KEY_INVALID', `${path} leads out of ${this.root} through a symbolic link`)
    }
  }
}

/** Writes a file whole, flushes and closes it. */
async function writeDurably(handle: FileHandle, pieces: Pieces | readonly Uint8Array[]): Promise<void> {
  await using file = handle
  for await (const data of pieces) {
    for (let written = 0; written < data.byteLength;) {
      const length = Math.min(writeChunk, data.byteLength - written)
      written += (await file.write(data, written, length)).bytesWritten
    }
  }
  // The kernel's clock for file times ticks only every few milliseconds; random microseconds keep two versions' etags apart.
  const seconds = (Date.now() + Math.random()) / 1000
  await file.utimes(seconds, seconds)
  await file.sync()
}

/** Another process may remove the scratch folder at any moment when it is empty; then it is made again. */
async function openScratch(path: string): Promise<FileHandle> {
  for (let attempt = 0; ; attempt++) {
    try {
      // This too says ENOENT, where the folder goes while it is looked at.
      await makeFolders(dirname(path))
      return await open(path, 'wx')
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || attempt > 100) throw error
    }
  }
}

async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (error) {
    // Some file systems (network ones) refuse to flush a folder; they have no better to offer.
    if (errorCode(error) !== 'EINVAL' && errorCode(error) !== 'ENOTSUP') throw error
  } finally {
    await folder.close()
  }
}
