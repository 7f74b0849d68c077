import { LayermillError } from '@layermill/core'
import { expandBraces, isGlob, splitGlob } from '../glob-pattern.js'
import { extensionOf } from '../image-files.js'

export type ArchiveKind = 'tar' | 'parquet'

/** The kind of archive that a name's extension stands for. */
export function archiveKind(name: string): ArchiveKind | undefined {
  const extension = extensionOf(name)
  return extension === 'tar' || extension === 'parquet' ? extension : undefined
}

/** Which archives a text such as `shards/train-{000..099}.tar` or `shards/*.parquet` stands for. */
export interface ShardPattern {
  readonly kind: ArchiveKind
  /** The folder that names are relative to; '' for none. */
  readonly base: string
  /** Names that are spelled out, and must be there. */
  readonly names: readonly string[]
  /** The rest of the pattern, as globs; empty where all is spelled out. */
  readonly globs: readonly string[]
}

const mostNames = 100_000

/**
 * Reads a pattern of archives; undefined where the text is not one (no pattern, or of something else than archives).
 *
 * @throws LayermillError `SOURCE_KIND` where it stands for archives of two kinds, or for more than 100,000 names
 */
export function shardPattern(text: string): ShardPattern | undefined {
  // Braces are not spelled out where no archive is named.
  if (!/tar|parquet/i.test(text) || !isGlob(text)) return undefined
  const { base, rest } = splitGlob(text)
  const texts = expandBraces(rest, mostNames)
  const kinds = new Set(texts.map(expanded => archiveKind(expanded.text)))
  const [kind] = kinds
  if (kinds.size === 1 && kind === undefined) return undefined
  if (kinds.size > 1 || kind === undefined) {
    throw new LayermillError('SOURCE_KIND', `${text} stands for files of several kinds; expected only .tar or only .parquet`)
  }
  return {
    kind,
    base: base.length > 1 ? base.slice(0, -1) : base,
    names: [...new Set(texts.filter(expanded => !expanded.isGlob).map(expanded => expanded.text))],
    globs: texts.filter(expanded => expanded.isGlob).map(expanded => expanded.text),
  }
}

/** Refuses compressed archives, which cannot be read from the middle. */
export function refuseCompressed(name: string): void {
  if (!/\.(tar\.(gz|bz2|xz|zst|lz4)|tgz|tbz2|txz)$/i.test(name)) return
  throw new LayermillError('SOURCE_KIND', `${name}: a compressed tar cannot be read image by image`, {
    hint: 'Decompress it first (gunzip train.tar.gz): images are compressed already, and a plain .tar is hardly larger.',
  })
}

export function missingShard(name: string, url: string): LayermillError {
  return new LayermillError('SOURCE_MISSING', `${name} does not exist (in ${url})`)
}
