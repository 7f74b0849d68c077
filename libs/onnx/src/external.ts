import { realpath, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { errorCode } from '@layermill/core'
import { invalid } from './invalid.js'
import type { Place } from './types.js'

/** Tensors' bytes in a file on this machine. */
export interface FilePlace {
  readonly path: string
  readonly offset: number
  readonly length: number
}

function refused(model: string, location: string, reason: string): Error {
  return invalid(
    model,
    `its weights lie in '${location}', ${reason}`,
    'external data must be a file beside the model or in a folder beside it',
  )
}

/** Checks a location as text: whatever the system, it names a file within the folder. */
function checkLocation(model: string, location: string): void {
  if (isAbsolute(location) || /^[A-Za-z]:|^[\\/]/.test(location)) throw refused(model, location, 'an absolute path')
  if (location.includes('\0')) throw refused(model, JSON.stringify(location), 'which is no path')
  if (location.split(/[\\/]/).includes('..')) throw refused(model, location, 'outside the folder of the model')
}

/**
 * Finds the files that hold a model's tensors outside of it.
 * @returns the path of each location
 * @throws LayermillError `ONNX_INVALID` for an absolute path, one with `..` and a link that leaves the folder; a file that is missing or
 * too short
 */
export async function findExternalFiles(model: string, places: Iterable<Place>): Promise<Map<string, string>> {
  const needed = new Map<string, number>()
  for (const { location, offset, length } of places) {
    if (location !== '') needed.set(location, Math.max(needed.get(location) ?? 0, offset + length))
  }
  const files = new Map<string, string>()
  if (needed.size === 0) return files
  const folder = await realpath(dirname(model))
  for (const [location, bytes] of needed) {
    checkLocation(model, location)
    const path = join(folder, location)
    const real = await realpath(path).catch((cause: unknown) => {
      throw invalid(model, `its weights lie in '${location}', which is not there (${errorCode(cause)})`, 'put the file beside the model')
    })
    const within = relative(folder, real)
    if (within === '' || within.startsWith(`..${sep}`) || within === '..' || isAbsolute(within)) {
      throw refused(model, location, 'a link that leaves the folder of the model')
    }
    const stats = await stat(real)
    if (!stats.isFile()) throw refused(model, location, 'which is no file')
    if (stats.size < bytes) throw invalid(model, `'${location}' has ${stats.size} bytes, and its tensors go on to byte ${bytes}`)
    files.set(location, real)
  }
  return files
}
