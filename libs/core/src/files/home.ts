import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

const canonical = 'canonical.safetensors'

/** `$LAYERMILL_HOME`, else `~/.cache/layermill`. */
export function layermillHome(): string {
  const set = process.env['LAYERMILL_HOME']
  return set === undefined || set === '' ? join(homedir(), '.cache', 'layermill') : resolve(set)
}

/** Folder of a network's published files and its converted weights. */
export const weightsFolder = (home: string, network: string): string => join(home, 'weights', network)

/** The converted weights that `imagenet` means once they are there. */
export const canonicalPath = (home: string, network: string): string => join(weightsFolder(home, network), canonical)

export const publishedPath = (home: string, network: string, file: string): string => join(weightsFolder(home, network), file)

/** Folder of files from another URL. */
export const urlFolder = (home: string, key: string): string => join(home, 'weights', 'urls', key)
