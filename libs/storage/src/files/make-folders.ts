import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode, LayermillError } from '@layermill/core'

/** Deepest folder that is made, counted from the root of the file system. */
const deepest = 1000
/** Tries of one folder that others take away, or make, at the same time. */
const tries = 20

type MakeFolder = (path: string) => Promise<unknown>

/** The first folder upwards from a path that exists, and those below it that do not, the outermost first. */
async function missingFolders(path: string): Promise<string[]> {
  const missing: string[] = []
  for (let at = path; missing.length <= deepest; at = dirname(at)) {
    const info = await stat(at).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error
      return undefined
    })
    if (info !== undefined) {
      if (!info.isDirectory()) throw Object.assign(new Error(`${at} is not a folder`), { code: 'ENOTDIR' })
      return missing
    }
    missing.unshift(at)
    if (dirname(at) === at) break
  }
  throw new LayermillError('STORE_DENIED', `${path}: no folder above it exists, or there are more than ${deepest}`)
}

/**
 * Makes a folder and those above it that are missing, one after the other. The system's own way of making all at once may go round for ever
 * on file systems that say of a new folder that the one above it is missing although it is there (those of the kernel, some of networks);
 * here that is an error, and between two folders a process can be told to stop.
 *
 * @param make makes one folder
 * @returns the outermost folder that was made; undefined where all were there
 * @throws LayermillError `STORE_DENIED` where the file system takes no folders; the system's errors
 */
export async function makeFolders(path: string, make: MakeFolder = mkdir): Promise<string | undefined> {
  let first: string | undefined
  for (let attempt = 0; attempt < tries; attempt++) {
    const missing = await missingFolders(path)
    if (missing.length === 0) return first
    for (const folder of missing) {
      try {
        await make(folder)
        first ??= folder
      } catch (error) {
        // Made by another one meanwhile; or one above it was taken away, which the next look shows.
        if (errorCode(error) === 'EEXIST') continue
        if (errorCode(error) !== 'ENOENT') throw error
        break
      }
    }
  }
  throw new LayermillError(
    'STORE_DENIED',
    `cannot make the folder ${path}: its file system says that the folder above it is missing, and that is there`,
    {
      hint: 'This file system takes no folders (those of the kernel do not): choose another place.',
    },
  )
}
