import { opendir, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { errorMessage, LayermillError } from '@layermill/core'
import { isAbsent } from '../files/file-errors.js'
import { type EntryKind, pathOfKey, walkFiles } from '../files/walk.js'
import { checkKey } from '../keys.js'
import { mapOrdered } from '../prefetch.js'
import { Glob } from './glob.js'
import { isGlob, splitGlob } from './glob-pattern.js'
import { beginsAsImage, extensionOf, isImageName, isSystemName, magicBytes, reasonOf } from './image-files.js'
import { LeftOut } from './left-out.js'
import { imageError, isBrokenLink, readBeginning, readImage, statImage } from './local.js'
import { folderLabel, type ImageSource, type LabelRule, notEmpty, type SourceItem } from './source.js'

const statsAtOnce = 64

/** Selection of a folder source: every image, or those that a glob matches. */
interface Selection {
  /** For people: the folder or the pattern as given. */
  readonly url: string
  readonly kind: 'folder' | 'glob'
  matches(key: string): boolean
  /** Folders deeper than this hold nothing that matches. */
  readonly depth: number
}

/** A name that the walk gives: an image by its name or its first bytes, or what is to be counted as left out. */
type Found = { readonly key: string; readonly info: { bytes: number; etag: string } } | { readonly key: string; readonly reason: string }

/**
 * The images of a local folder and of all folders in it. Symbolic links are followed, once each on a path, so that loops end; a link named
 * as an image that leads nowhere is an image that is missing. Hidden and systems' own files and folders are left out. A file without
 * extension is an image where it begins as one.
 */
export class FolderSource implements ImageSource {
  readonly url: string
  readonly kind: 'folder' | 'glob'

  constructor(
    private readonly root: string,
    private readonly labels: LabelRule,
    private readonly selection: Selection = everyImage(root),
  ) {
    this.url = selection.url
    this.kind = selection.kind
  }

  items({ after, leftOut = new LeftOut() }: { after?: string; leftOut?: LeftOut } = {}): AsyncIterable<SourceItem> {
    const items = this.list(after, leftOut)
    return after === undefined ? notEmpty(items, this.url, leftOut) : items
  }

  async read(item: { key: string; etag?: string }): Promise<Uint8Array> {
    checkKey(item.key, this.url)
    return readImage(pathOfKey(this.root, item.key), item.etag)
  }

  reachable(): Promise<void> {
    return folderReachable(this.root)
  }

  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private async *list(after: string | undefined, leftOut: LeftOut): AsyncGenerator<SourceItem> {
    if (!(await isFolder(this.root))) throw new LayermillError('SOURCE_MISSING', `${this.root} is not a folder (in ${this.url})`)
    const byFolder = this.labels === 'folder' || (this.labels === 'auto' && (await this.hasClassFolders()))
    const keys = walkFiles(this.root, {
      after,
      followLinks: true,
      rawNames: true,
      accept: (key, name, kind) => this.accept(key, name, kind, leftOut),
      onUnreadable: (key, error) => {
        throw new LayermillError('SOURCE_DENIED', `cannot list ${join(this.root, key)}: ${errorMessage(error)}`, { cause: error })
      },
    })
    for await (const found of mapOrdered(keys, statsAtOnce, async key => this.look(key))) {
      // Deleted between being listed and looked at: as if the listing had come later.
      if (found === undefined) continue
      if ('reason' in found) leftOut.add(found.reason, found.key)
      else yield { key: found.key, etag: found.info.etag, bytes: found.info.bytes, label: byFolder ? folderLabel(found.key) : undefined }
    }
  }

  private async look(key: string): Promise<Found | undefined> {
    const path = pathOfKey(this.root, key)
    const info = await statImage(path)
    if (info === undefined) return (await isBrokenLink(path)) ? { key, info: { bytes: 0, etag: '' } } : undefined
    if (extensionOf(key) === '' && !beginsAsImage(await readBeginning(path, magicBytes))) return { key, reason: reasonOf(key) }
    return { key, info }
  }

  /** Decides by the name alone; files without extension are looked at later. */
  private accept(key: string, name: string, kind: EntryKind, leftOut: LeftOut): boolean {
    if (kind === 'directory' && key.split('/').length > this.selection.depth) return false
    if (isSystemName(name)) leftOut.add('files and folders of the system', key, true)
    else if (name.startsWith('.')) leftOut.add('hidden', key)
    else if (kind === 'directory') return true
    else if (kind === 'other') leftOut.add('neither files nor folders', key)
    else if (kind === 'link' && !isImageName(name)) leftOut.add('broken links', key)
    else if (!isImageName(name) && extensionOf(name) !== '') this.refuse(key, reasonOf(name), leftOut)
    else if (!this.selection.matches(key)) leftOut.pass('images that the pattern does not match')
    else return true
    return false
  }

  /** Leaves out a file. One that the pattern does not match is not missed. */
  private refuse(key: string, reason: string, leftOut: LeftOut): void {
    if (this.selection.kind === 'glob' && !this.selection.matches(key)) leftOut.pass(reason)
    else leftOut.add(reason, key)
  }

  /** Whether no image lies in the root itself, so that each has a folder to be named by. */
  private async hasClassFolders(): Promise<boolean> {
    for (const name of await readdir(this.root)) {
      if (name.startsWith('.') || isSystemName(name) || !this.selection.matches(name)) continue
      const extension = extensionOf(name)
      if (extension !== '' && !isImageName(name)) continue
      const path = join(this.root, name)
      const info = await stat(path).catch(() => undefined)
      if (info?.isFile() === true && (extension !== '' || beginsAsImage(await readBeginning(path, magicBytes)))) return false
    }
    return true
  }
}

/** Throws where nothing can be seen of a folder that held images. */
async function folderReachable(root: string): Promise<void> {
  try {
    const folder = await opendir(root)
    const first = await folder.read()
    await folder.close()
    if (first !== null) return
  } catch (error) {
    if (isAbsent(error))
      throw new LayermillError('SOURCE_MISSING', `${root} does not exist here`, { hint: 'Is its file system mounted?', cause: error })
    const failure = imageError(root, error)
    throw failure.code === 'SOURCE_UNREACHABLE'
      ? failure
      : new LayermillError('SOURCE_DENIED', `cannot list ${root}: ${errorMessage(error)}`, { cause: error })
  }
  throw new LayermillError('SOURCE_MISSING', `${root} is empty here`, { hint: 'Is its file system mounted?' })
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true
}

function everyImage(root: string): Selection {
  return { url: pathToFileURL(root).href, kind: 'folder', matches: () => true, depth: Infinity }
}

/** The longest beginning of a pattern, in whole parts, that is the name of a folder which is there: it is no pattern then. */
async function existingBase(pattern: string): Promise<{ base: string; rest: string }> {
  const parts = pattern.split('/')
  for (let count = parts.length - 1; count > 0; count--) {
    const base = parts.slice(0, count).join('/')
    if (isGlob(base) && (await isFolder(resolve(base)))) return { base, rest: parts.slice(count).join('/') }
  }
  return splitGlob(pattern)
}

/**
 * The images that a glob such as `photos/**\/*.jpg` matches; undefined where the text holds no pattern. Keys start where the pattern does.
 * Folders whose names look like patterns and that are there are taken by their names.
 */
export async function globSource(pattern: string, labels: LabelRule): Promise<FolderSource | undefined> {
  if (!isGlob(pattern)) return undefined
  const { base, rest } = await existingBase(pattern)
  const glob = new Glob(rest)
  return new FolderSource(resolve(base), labels, { url: pattern, kind: 'glob', matches: key => glob.matches(key), depth: glob.depth })
}

/** The folders in a folder that hold images of somebody, as the first parts of keys: neither hidden nor a system's own. */
export async function classFolders(folder: string): Promise<string[]> {
  const names = new Set<string>()
  const keys = walkFiles(folder, {
    followLinks: true,
    rawNames: true,
    accept: (key, name, kind) => {
      if (kind === 'directory' && !name.startsWith('.') && !isSystemName(name)) names.add(key)
      return false
    },
  })
  for await (const key of keys) names.add(key)
  return [...names]
}
