import { type FileHandle, open } from 'node:fs/promises'
import { LayermillError, errorCode } from '../errors/errors.js'

/** Bytes that can be read anywhere: a file on disk, an object in a store. */
export interface RandomAccess extends AsyncDisposable {
  /** Name in messages: a path or a URL without credentials. */
  readonly name: string
  /** In bytes. */
  readonly size: number
  /** Path on this machine's disk, if it is there. */
  readonly path?: string
  /**
   * Fills `target` with the bytes that start at `offset`.
   * @throws LayermillError `WEIGHTS_TRUNCATED` when the file ends before.
   */
  read(offset: number, target: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** Large reads are cut into pieces of this size, some of them under way at once: most of their time goes into mapping fresh memory. */
const pieceBytes = 16 * 1024 * 1024
const readers = 3

export function truncated(file: Pick<RandomAccess, 'name' | 'size'>, wanted: number): LayermillError {
  return new LayermillError('WEIGHTS_TRUNCATED', `${file.name} ends at byte ${file.size}, but its contents go on to byte ${wanted}`, {
    hint: 'the file was cut off; copy or download it again',
  })
}

async function readPiece(
  handle: FileHandle,
  target: Uint8Array,
  position: number,
  file: Pick<RandomAccess, 'name' | 'size'>,
): Promise<void> {
  let done = 0
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, target.length - done, position + done)
    if (bytesRead === 0) throw truncated(file, position + target.length)
    done += bytesRead
  }
}

/**
 * Opens a file for reading. Close it when done.
 * @throws LayermillError `WEIGHTS_NOT_FOUND` when there is no such file or it cannot be read.
 */
export async function openFile(path: string): Promise<RandomAccess> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new LayermillError('WEIGHTS_NOT_FOUND', `cannot open ${path} (${errorCode(cause)})`, { cause })
  })
  const stats = await handle.stat()
  if (!stats.isFile()) {
    await handle.close()
    throw new LayermillError('WEIGHTS_NOT_FOUND', `${path} is not a file`)
  }
  const { size } = stats
  return {
    name: path,
    path,
    size,
    async read(offset, target) {
      let taken = 0
      const reader = async (): Promise<void> => {
        while (taken < target.length) {
          const start = taken
          taken += pieceBytes
          await readPiece(handle, target.subarray(start, start + pieceBytes), offset + start, { name: path, size })
        }
      }
      await Promise.all(Array.from({ length: Math.min(readers, Math.ceil(target.length / pieceBytes)) }, reader))
    },
    close: () => handle.close(),
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

/** Bytes in memory as a file. */
export function fromBytes(bytes: Uint8Array, name = 'memory'): RandomAccess {
  return {
    name,
    size: bytes.length,
    read(offset, target) {
      if (offset + target.length > bytes.length) return Promise.reject(truncated({ name, size: bytes.length }, offset + target.length))
      target.set(bytes.subarray(offset, offset + target.length))
      return Promise.resolve()
    },
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** `length` bytes from `offset`. */
export async function readBytes(file: RandomAccess, offset: number, length: number): Promise<Buffer> {
  if (offset + length > file.size) throw truncated(file, offset + length)
  const target = Buffer.alloc(length)
  await file.read(offset, target)
  return target
}

/** The bytes of a typed array, without copying. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
