import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { allBefore, compareUtf8, sortUtf8 } from '../keys.js'
import { bytesOfKey, holdsRawNames, keyPartOfBytes, keyPartOfText } from '../raw-names.js'

/** Kind of a name in a folder. `link` is a symbolic link that was not followed or leads nowhere. `other` is a socket, pipe or device. */
export type EntryKind = 'file' | 'directory' | 'link' | 'other'

export interface WalkOptions {
  /** Only keys that start with this; folders that cannot hold one are not opened. */
  prefix?: string
  /** Leave out keys up to and including this one. */
  after?: string
  /** Follow symbolic links to files and folders. A link to a folder that is being walked already is left out, so loops end. */
  followLinks?: boolean
  /**
   * Names that are not UTF-8 come as keys that hold their bytes (`raw-names.ts`), instead of with replacement characters that no file has.
   */
  rawNames?: boolean
  /**
   * Called for every file, folder and link met; false leaves it out, and for a folder all that is in it. Links that lead nowhere are only
   * given where this takes them.
   */
  accept?: (key: string, name: string, kind: EntryKind) => boolean
  /** Called where a folder cannot be opened; without it the error is thrown. A folder that vanished is passed over. */
  onUnreadable?: (key: string, error: unknown) => never
}

interface Folder {
  readonly path: string | Buffer
  /** '' for the root, else ends with '/'. */
  readonly key: string
  /** Device and inode, known only where links are followed. */
  readonly identity: string
}

/**
 * File keys below `root` in the order of their UTF-8 bytes, as a stream. Holds the names of one folder and of those above it, never more:
 * sorting each folder's names with '/' behind those of folders gives the order of the whole keys.
 */
export async function* walkFiles(root: string, options: WalkOptions = {}): AsyncGenerator<string> {
  const identity = options.followLinks === true ? await identityOf(root) : ''
  yield* walkFolder({ path: root, key: '', identity }, [], root, options)
}

/** Path of the file with this key. It is a path of bytes where the key's names are not text. */
export function pathOfKey(root: string, key: string): string | Buffer {
  return holdsRawNames(key) ? Buffer.concat([Buffer.from(`${root}/`), bytesOfKey(key)]) : join(root, key)
}

async function identityOf(path: string | Buffer): Promise<string> {
  const info = await stat(path, { bigint: true })
  return `${info.dev}:${info.ino}`
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ELOOP')
}

async function* walkFolder(folder: Folder, above: readonly string[], root: string, options: WalkOptions): AsyncGenerator<string> {
  const names = await readNames(folder, root, options)
  if (names === undefined) return
  const { prefix = '', after = '' } = options
  for (const name of names) {
    const key = folder.key + name
    if (!name.endsWith('/')) {
      if (key.startsWith(prefix) && compareUtf8(key, after) > 0) yield key
      continue
    }
    if (!key.startsWith(prefix) && !prefix.startsWith(key)) continue
    if (after !== '' && allBefore(key, after)) continue
    const path = options.rawNames === true ? pathOfKey(root, key) : join(root, key)
    const chain = [...above, folder.identity]
    if (options.followLinks !== true) {
      yield* walkFolder({ path, key, identity: '' }, chain, root, options)
      continue
    }
    const identity = await identityOf(path).catch(() => '')
    if (identity !== '' && !chain.includes(identity)) yield* walkFolder({ path, key, identity }, chain, root, options)
  }
}

/** The accepted names in one folder, sorted, folders with a '/' behind them; undefined where the folder is gone. */
async function readNames(folder: Folder, root: string, options: WalkOptions): Promise<string[] | undefined> {
  const names: string[] = []
  const { rawNames = false } = options
  try {
    for (const entry of await readEntries(folder.path, rawNames)) {
      let kind: EntryKind = entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : entry.isSymbolicLink() ? 'link' : 'other'
      const key = folder.key + entry.name
      if (kind === 'link' && options.followLinks === true) kind = await linkTarget(rawNames ? pathOfKey(root, key) : join(root, key))
      if (options.accept?.(key, entry.name, kind) === false) continue
      if (kind === 'file' || (kind === 'link' && options.followLinks === true && options.accept !== undefined)) names.push(entry.name)
      else if (kind === 'directory') names.push(`${entry.name}/`)
    }
  } catch (error) {
    if (isGone(error)) return undefined
    if (options.onUnreadable !== undefined) options.onUnreadable(folder.key, error)
    throw error
  }
  return sortUtf8(names)
}

interface Entry {
  readonly name: string
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

/** Entries of a folder. Names are read as bytes only where text has lost some: that is slower. */
async function readEntries(path: string | Buffer, rawNames: boolean): Promise<Entry[]> {
  const entries = await readdir(path, { withFileTypes: true })
  if (!rawNames) return entries
  if (!entries.some(({ name }) => name.includes('\ufffd'))) {
    return entries.map(entry => (holdsRawNames(entry.name) ? named(entry, keyPartOfText(entry.name)) : entry))
  }
  return (await readdir(path, { withFileTypes: true, encoding: 'buffer' })).map(entry => named(entry, keyPartOfBytes(entry.name)))
}

const named = (entry: Omit<Entry, 'name'>, name: string): Entry => ({
  name,
  isFile: () => entry.isFile(),
  isDirectory: () => entry.isDirectory(),
  isSymbolicLink: () => entry.isSymbolicLink(),
})

async function linkTarget(path: string | Buffer): Promise<EntryKind> {
  try {
    const info = await stat(path)
    return info.isFile() ? 'file' : info.isDirectory() ? 'directory' : 'other'
  } catch {
    return 'link'
  }
}
