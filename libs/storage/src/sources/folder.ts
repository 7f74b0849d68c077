import { opendir, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { errorMessage, LayermillError } from '@layermill/models'
import picomatch from 'picomatch'
import { isAbsent } from '../files/file-errors.js'
import { walkFiles } from '../files/walk.js'
import { checkKey } from '../keys.js'
import { mapOrdered } from '../prefetch.js'
import { imageError, readImage, statImage } from './local.js'
import { folderLabel, type ImageSource, isImageName, type LabelRule, notEmpty, Skipped, type SourceItem } from './source.js'

const STATS_AT_ONCE = 64

/** What a folder source takes: every image, or those a glob matches. */
interface Selection {
  /** For people: the folder or the pattern as given. */
  readonly url: string
  readonly kind: 'folder' | 'glob'
  matches(key: string): boolean
  /** Folders deeper than this hold nothing that matches. */
  readonly depth: number
}

/**
 * The images of a local folder and of all folders in it. Symbolic links are followed, once each on a path, so that loops end; hidden files
 * and folders are left out.
 */
export class FolderSource implements ImageSource {
  readonly url: string
  readonly kind: 'folder' | 'glob'

  constructor(private readonly root: string, private readonly labels: LabelRule, private readonly selection: Selection = everyImage(root)) {
    this.url = selection.url
    this.kind = selection.kind
  }

  items(options: { after?: string } = {}): AsyncIterable<SourceItem> {
    const skipped = new Skipped()
    const items = this.list(options.after, skipped)
    return options.after === undefined ? notEmpty(items, this.url, skipped) : items
  }

  async read(item: { key: string; etag?: string }): Promise<Uint8Array> {
    checkKey(item.key, this.url)
    return readImage(join(this.root, item.key), item.etag)
  }

  reachable(): Promise<void> {
    return folderReachable(this.root)
  }

  async close(): Promise<void> {}

  private async *list(after: string | undefined, skipped: Skipped): AsyncGenerator<SourceItem> {
    if (!(await isFolder(this.root))) throw new LayermillError('SOURCE_MISSING', `${this.root} is not a folder (in ${this.url})`)
    const byFolder = this.labels === 'folder' || (this.labels === 'auto' && (await this.hasClassFolders()))
    const keys = walkFiles(this.root, {
      after,
      followLinks: true,
      accept: (key, name, kind) => this.accept(key, name, kind, skipped),
      onUnreadable: (key, error) => {
        throw new LayermillError('SOURCE_DENIED', `cannot list ${join(this.root, key)}: ${errorMessage(error)}`, { cause: error })
      },
    })
    const found = mapOrdered(keys, STATS_AT_ONCE, async (key) => ({ key, info: await statImage(join(this.root, key)) }))
    for await (const { key, info } of found) {
      // Deleted between being listed and looked at: as if the listing had come later.
      if (info === undefined) continue
      yield { key, etag: info.etag, bytes: info.bytes, label: byFolder ? folderLabel(key) : undefined }
    }
  }

  private accept(key: string, name: string, kind: string, skipped: Skipped): boolean {
    if (name.startsWith('.')) skipped.add('hidden')
    else if (kind === 'link') skipped.add('broken links')
    else if (kind === 'directory') return key.split('/').length <= this.selection.depth
    else if (kind !== 'file') skipped.add('neither files nor folders')
    else if (!isImageName(name)) skipped.addFile(name)
    else if (!this.selection.matches(key)) skipped.add('images that the pattern does not match')
    else return true
    return false
  }

  /** Whether no image lies in the root itself, so that each has a folder to be named by. */
  private async hasClassFolders(): Promise<boolean> {
    for (const name of await readdir(this.root)) {
      if (name.startsWith('.') || !isImageName(name) || !this.selection.matches(name)) continue
      const info = await stat(join(this.root, name)).catch(() => undefined)
      if (info?.isFile() === true) return false
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
    if (isAbsent(error)) throw new LayermillError('SOURCE_MISSING', `${root} does not exist here`, { hint: 'Is its file system mounted?', cause: error })
    const failure = imageError(root, error)
    throw failure.code === 'SOURCE_UNREACHABLE' ? failure : new LayermillError('SOURCE_DENIED', `cannot list ${root}: ${errorMessage(error)}`, { cause: error })
  }
  throw new LayermillError('SOURCE_MISSING', `${root} is empty here`, { hint: 'Is its file system mounted?' })
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true
}

function everyImage(root: string): Selection {
  return { url: pathToFileURL(root).href, kind: 'folder', matches: () => true, depth: Infinity }
}

/** The images that a glob such as `photos/**\/*.jpg` matches; undefined where the text holds no pattern. Keys start where the pattern does. */
export function globSource(pattern: string, labels: LabelRule): FolderSource | undefined {
  const scan = picomatch.scan(pattern)
  if (!scan.isGlob && !scan.isBrace && !scan.isBracket && !scan.isExtglob) return undefined
  const matcher = picomatch(scan.glob)
  // Without '**' a pattern says how deep it goes, and folders below that need not be opened.
  const depth = scan.glob.includes('**') ? Infinity : scan.glob.split('/').length - 1
  return new FolderSource(resolve(scan.base), labels, { url: pattern, kind: 'glob', matches: (key) => matcher(key), depth })
}
