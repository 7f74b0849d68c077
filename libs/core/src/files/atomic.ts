import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Largest piece written at once. */
const pieceBytes = 32 * 1024 * 1024

/** Writes all bytes at the handle's position. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let offset = 0
  while (offset < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, offset, Math.min(pieceBytes, bytes.length - offset))
    offset += bytesWritten
  }
}

/**
 * Lets `write` fill a temporary file beside `path`, then renames it: others see the old file or the whole new one. Its folder is
 * made. When `write` throws, nothing is left behind.
 *
 * @param options.mode the new file's permissions, less the process's mask; 0o666 if left out
 */
export async function writeAtomically(
  path: string,
  write: (handle: FileHandle) => Promise<void>,
  { mode }: { readonly mode?: number } = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`
  const handle = await open(temporary, 'wx', mode)
  try {
    try {
      await write(handle)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
