import { mkdtemp, open, readdir, rm, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode } from '@layermill/core'
import type { ExternalPlace } from './proto.js'

const prefix = 'layermill-weights-'
const fileName = 'weights.bin'
/** ONNX's advice for tensors that are mapped into memory. */
const alignment = 4096
/** A folder this old (milliseconds) was left behind by a process that was killed: loading takes seconds. */
const abandoned = 15 * 60_000
/** A single write; Linux takes at most 2 GiB at a time. */
const chunk = 1 << 26

export interface WeightFile {
  readonly folder: string
  readonly places: ReadonlyMap<string, ExternalPlace>
  /** Deletes it. A session that has been created from it does not need it any more. */
  remove(): Promise<void>
}

/** Folders that the file may go to: shared memory first, because it is the fastest. */
export const weightFolders = (): string[] => (process.platform === 'linux' ? ['/dev/shm', tmpdir()] : [tmpdir()])

function layOut(tensors: ReadonlyMap<string, Uint8Array>): { places: Map<string, ExternalPlace>; bytes: number } {
  const places = new Map<string, ExternalPlace>()
  let bytes = 0
  for (const [name, data] of tensors) {
    places.set(name, { location: fileName, offset: bytes })
    bytes = Math.ceil((bytes + data.byteLength) / alignment) * alignment
  }
  return { places, bytes }
}

async function hasRoom(folder: string, bytes: number): Promise<boolean> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize > bytes * 1.1
}

async function removeAbandoned(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter(name => name.startsWith(prefix))
  for (const name of names) {
    const path = join(folder, name)
    try {
      if (Date.now() - (await stat(path)).mtimeMs > abandoned) await rm(path, { recursive: true, force: true })
    } catch {
      // Another user's, or gone by now: nothing of ours.
    }
  }
}

async function writeAll(path: string, tensors: ReadonlyMap<string, Uint8Array>, places: ReadonlyMap<string, ExternalPlace>): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  for (const [name, data] of tensors) {
    const { offset } = places.get(name)!
    for (let start = 0; start < data.byteLength;) {
      const { bytesWritten } = await file.write(data, start, Math.min(chunk, data.byteLength - start), offset + start)
      start += bytesWritten
    }
  }
}

interface MadeFolder {
  readonly folder: string
  remove(): Promise<void>
}

async function makeIn(folder: string, bytes: number, fill: (folder: string) => Promise<void>): Promise<MadeFolder | undefined> {
  if (!(await hasRoom(folder, bytes))) return undefined
  await removeAbandoned(folder)
  const created = await mkdtemp(join(folder, prefix))
  const remove = () => rm(created, { recursive: true, force: true })
  try {
    await fill(created)
    return { folder: created, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** A new folder in the first of `folders` that takes `bytes` of it, filled; undefined where none does (no room, read-only). */
export async function temporaryFolder(
  bytes: number,
  fill: (folder: string) => Promise<void>,
  folders: readonly string[] = weightFolders(),
): Promise<MadeFolder | undefined> {
  for (const folder of folders) {
    try {
      const made = await makeIn(folder, bytes, fill)
      if (made !== undefined) return made
    } catch (error) {
      // The system's refusals (ENOENT, EACCES, EROFS, ENOSPC, EDQUOT) are why there is another way; mistakes of ours are not.
      if (errorCode(error) === 'UNEXPECTED' || errorCode(error).startsWith('ERR_')) throw error
    }
  }
  return undefined
}

/**
 * Writes tensors into a temporary file in the first of `folders` that takes it; undefined where none does (no room, read-only).
 * ONNX Runtime maps such a file instead of copying it twice, which is most of the time and the memory that loading costs.
 */
export async function writeWeightFile(
  tensors: ReadonlyMap<string, Uint8Array>,
  folders: readonly string[] = weightFolders(),
): Promise<WeightFile | undefined> {
  const { places, bytes } = layOut(tensors)
  const made = await temporaryFolder(bytes, folder => writeAll(join(folder, fileName), tensors, places), folders)
  return made && { ...made, places }
}
