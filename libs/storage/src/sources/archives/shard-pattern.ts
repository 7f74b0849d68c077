import { LayermillError } from '@layermill/models'
import { expand } from 'brace-expansion'
import picomatch from 'picomatch'
import { extensionOf } from '../source.js'

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

const MOST_NAMES = 100_000

/**
 * Reads a pattern of archives; undefined where the text is not one (no pattern, or of something else than archives).
 *
 * @throws LayermillError `SOURCE_KIND` where it stands for archives of two kinds, or for more than 100,000 names
 */
export function shardPattern(text: string): ShardPattern | undefined {
  const scan = picomatch.scan(text)
  if (!scan.isGlob && !scan.isBrace && !scan.isBracket && !scan.isExtglob) return undefined
  const texts = expand(scan.glob, { max: MOST_NAMES + 1 })
  const kinds = new Set(texts.map(archiveKind))
  const [kind] = kinds
  if (kinds.size === 1 && kind === undefined) return undefined
  if (kinds.size > 1 || kind === undefined) {
    throw new LayermillError('SOURCE_KIND', `${text} stands for files of several kinds; expected only .tar or only .parquet`)
  }
  if (texts.length > MOST_NAMES) throw new LayermillError('SOURCE_KIND', `${text} stands for more than ${MOST_NAMES} names`)
  const isGlob = (name: string): boolean => picomatch.scan(name).isGlob === true || /[[\]()]/.test(name)
  return {
    kind,
    base: scan.base,
    names: [...new Set(texts.filter((name) => !isGlob(name)))],
    globs: texts.filter(isGlob),
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
