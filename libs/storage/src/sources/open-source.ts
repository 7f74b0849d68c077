import { createReadStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { errorMessage, LayermillError, placeSchemeOf } from '@layermill/core'
import { isAbsent } from '../files/file-errors.js'
import { Bucket } from '../s3/bucket.js'
import { parseS3Url, s3Client, type SourceAccess } from '../s3/client.js'
import { LocalShards } from './archives/local-shards.js'
import { S3Shards } from './archives/s3-shards.js'
import { type ArchiveKind, archiveKind, refuseCompressed, shardPattern } from './archives/shard-pattern.js'
import type { ShardPlace } from './archives/shards.js'
import { TarSource } from './archives/tar-source.js'
import { FolderSource, globSource } from './folder.js'
import { isGlob, splitGlob } from './glob-pattern.js'
import { extensionOf, isImageName } from './image-files.js'
import { type ListFile, type ListOptions, type ListRule, ListSource } from './list.js'
import { type ListFormat, listFormat } from './list-format.js'
import { readImage, statImage } from './local.js'
import { readObject, sourceError, statObject } from './objects.js'
import { S3Source } from './s3-prefix.js'
import { SingleSource } from './single.js'
import type { ImageSource, LabelRule } from './source.js'

export interface OpenSourceOptions {
  readonly labels?: LabelRule
  readonly allows?: ListRule
  readonly access?: SourceAccess | undefined
  readonly split?: string | undefined
}

/** How sources are reached where nothing is said of it: `LAYERMILL_REQUEST_PAYER`, `LAYERMILL_NO_SIGN_REQUEST`. */
export function accessOfEnvironment(env: NodeJS.ProcessEnv = process.env): SourceAccess {
  const isOn = (name: string): true | undefined => (/^(1|true|yes|requester)$/i.test(env[name] ?? '') ? true : undefined)
  const requestPayer = isOn('LAYERMILL_REQUEST_PAYER')
  const noSignRequest = isOn('LAYERMILL_NO_SIGN_REQUEST')
  return { ...(requestPayer && { requestPayer }), ...(noSignRequest && { noSignRequest }) }
}

/**
 * Opens a dataset: a folder, a glob, a list file (.txt, .csv, .tsv, .jsonl), archives (.tar, .parquet; a range or pattern of them), one
 * image, or the same in a bucket (`s3://bucket/prefix/`, `s3://bucket/photos/*.jpg`, `s3://bucket/list.csv`, `s3://bucket/photo.jpg`). What
 * exists under a name is taken before what it would match as a pattern.
 *
 * @param options.labels where labels come from, `auto` if left out; see LabelRule
 * @param options.access how a bucket is reached; what the environment says where a field is left out
 * @param options.allows which images a list file may name that are not below its own folder, as a path or s3:// URL; all if left out
 * @param options.split of a list or a table with a `split` column the rows to take; all if left out
 * @throws LayermillError `SOURCE_MISSING`, `SOURCE_KIND` (a file that is neither an image nor a list), `SOURCE_DENIED`, `STORE_URL`
 */
export async function openSource(source: string, options: OpenSourceOptions = {}): Promise<ImageSource> {
  const split = options.split ?? options.access?.split
  const labelColumns = options.access?.labelColumns
  const opened = await openAny(source, { ...options, split, labelColumns, labels: options.labels ?? 'auto' })
  if ((split ?? labelColumns) === undefined || opened.kind === 'list' || opened.kind === 'parquet') return opened
  await opened.close()
  if (labelColumns !== undefined)
    throw new LayermillError('SOURCE_KIND', `${source}: --label-columns ${labelColumns.join()} is of lists and Parquet files`)
  throw new LayermillError('SOURCE_KIND', `${source}: --split ${split} is of lists and Parquet files with a split column`, {
    hint: 'Where the splits are folders, name the folder.',
  })
}

async function openAny(source: string, given: ListOptions): Promise<ImageSource> {
  const scheme = placeSchemeOf(source)
  const environment = accessOfEnvironment()
  const access: SourceAccess = {
    requestPayer: given.access?.requestPayer ?? environment.requestPayer,
    noSignRequest: given.access?.noSignRequest ?? environment.noSignRequest,
  }
  const options = { ...given, access }
  if (scheme === 's3') return openS3Source(source, options)
  if (scheme !== undefined && scheme !== 'file') {
    throw new LayermillError('SOURCE_KIND', `${scheme}:// is not a source; expected a folder, a file, a glob or s3://bucket/prefix`)
  }
  return openLocalSource(scheme === 'file' ? fileURLToPath(source) : source, options)
}

async function archiveSource(place: ShardPlace, kind: ArchiveKind, { labels, split, labelColumns }: ListOptions): Promise<ImageSource> {
  if (kind === 'tar') return new TarSource(place, labels)
  // Loaded where it is needed, with the Parquet library and its decompressors.
  const { ParquetSource } = await import('./archives/parquet-source.js')
  return new ParquetSource(place, labels, { split, labelColumns })
}

async function openLocalSource(given: string, options: ListOptions): Promise<ImageSource> {
  if (given === '')
    throw new LayermillError('SOURCE_MISSING', 'the source is empty; expected a folder, a file, a glob or s3://bucket/prefix')
  const path = resolve(given)
  const info = await stat(path).catch((error: unknown) => {
    if (isAbsent(error)) return undefined
    throw new LayermillError('SOURCE_DENIED', `cannot open ${given}: ${errorMessage(error)}`, { cause: error })
  })
  if (info === undefined) {
    const pattern = shardPattern(given)
    if (pattern !== undefined) return archiveSource(new LocalShards(given, pattern), pattern.kind, options)
    const glob = await globSource(given, options.labels)
    if (glob !== undefined) return glob
    throw new LayermillError('SOURCE_MISSING', `${given} does not exist`, { hint: `Looked for ${path}.` })
  }
  if (info.isDirectory()) {
    await access(path, constants.R_OK | constants.X_OK).catch((error: unknown) => {
      throw new LayermillError('SOURCE_DENIED', `cannot open ${given}: ${errorMessage(error)}`, { cause: error })
    })
    return new FolderSource(path, options.labels)
  }
  const url = pathToFileURL(path).href
  if (isImageName(path)) {
    return new SingleSource({
      url,
      name: path,
      stat: async () => statImage(path),
      read: async etag => readImage(path, etag),
      close: async () => {},
    })
  }
  refuseCompressed(given)
  const archive = archiveKind(path)
  if (archive !== undefined) return archiveSource(LocalShards.of(path, given, archive), archive, options)
  const format = listFormat(extensionOf(path))
  if (format === undefined) throw unknownKind(given)
  return new ListSource(localList(path, given, format), options)
}

/** A file's bytes; it is opened when the first are asked for. */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path) as AsyncIterable<Buffer>
}

function localList(path: string, given: string, format: ListFormat): ListFile {
  return {
    url: given,
    format,
    base: { kind: 'local', folder: dirname(path) },
    open: async () => ({ chunks: chunksOf(path), bytes: (await stat(path)).size }),
    close: async () => {},
  }
}

function unknownKind(name: string): LayermillError {
  const extension = extensionOf(name)
  const what = extension === '' ? 'a file without extension' : `a .${extension} file`
  return new LayermillError('SOURCE_KIND', `${name}: ${what} is neither an image nor a list`, {
    hint: 'Lists are .txt (a path a line), .csv or .tsv (with a header) or .jsonl; a list can name images of any extension.',
  })
}

async function openS3Source(source: string, options: ListOptions): Promise<ImageSource> {
  const { bucket: name, prefix } = parseS3Url(source)
  const bucket = new Bucket(s3Client({ access: options.access }), name)
  const object = prefix === '' || prefix.endsWith('/') ? undefined : await statObject(bucket, prefix)
  return object === undefined ? openS3Places(bucket, prefix, source, options) : openS3Object(bucket, prefix, source, options)
}

/** Opens a source that is not one object: a folder of the bucket, or a pattern. Names that exist go before patterns. */
async function openS3Places(bucket: Bucket, prefix: string, source: string, options: ListOptions): Promise<ImageSource> {
  const folder = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
  if (isGlob(prefix) && !(await holdsAnything(bucket, folder))) {
    const pattern = shardPattern(prefix)
    if (pattern !== undefined) return archiveSource(new S3Shards(bucket, source, pattern), pattern.kind, options)
    const { base, rest } = await existingPrefix(bucket, prefix)
    return new S3Source(bucket, base, options.labels, rest)
  }
  if (!isGlob(prefix) && (listFormat(extensionOf(prefix)) !== undefined || archiveKind(prefix) !== undefined || isImageName(prefix))) {
    bucket.client.destroy()
    throw new LayermillError('SOURCE_MISSING', `${source} does not exist`)
  }
  return new S3Source(bucket, folder, options.labels)
}

async function holdsAnything(bucket: Bucket, folder: string): Promise<boolean> {
  return bucket.holds(folder).catch((error: unknown) => {
    throw sourceError(error)
  })
}

/** The longest beginning of a pattern, in whole parts, that is a folder of the bucket: it is no pattern then. */
async function existingPrefix(bucket: Bucket, pattern: string): Promise<{ base: string; rest: string }> {
  const parts = pattern.split('/')
  for (let count = parts.length - 1; count > 0; count--) {
    const base = `${parts.slice(0, count).join('/')}/`
    if (isGlob(base) && (await holdsAnything(bucket, base))) return { base, rest: parts.slice(count).join('/') }
  }
  return splitGlob(pattern)
}

function openS3Object(bucket: Bucket, prefix: string, source: string, options: ListOptions): ImageSource | Promise<ImageSource> {
  if (isImageName(prefix)) {
    return new SingleSource({
      url: source,
      name: prefix,
      stat: async () => statObject(bucket, prefix),
      read: async etag => readObject(bucket, prefix, etag),
      close: async () => bucket.client.destroy(),
    })
  }
  refuseCompressed(prefix)
  const archive = archiveKind(prefix)
  if (archive !== undefined) return archiveSource(S3Shards.of(bucket, prefix, source, archive), archive, options)
  const format = listFormat(extensionOf(prefix))
  if (format !== undefined) return new ListSource(s3List(bucket, prefix, source, format), options)
  bucket.client.destroy()
  throw unknownKind(source)
}

function s3List(bucket: Bucket, key: string, source: string, format: ListFormat): ListFile {
  return {
    url: source,
    format,
    base: { kind: 's3', bucket: bucket.name, prefix: key.slice(0, key.length - basename(key).length) },
    open: async () => {
      const opened = await bucket.open(key).catch((error: unknown) => {
        throw sourceError(error)
      })
      if (opened === undefined) throw new LayermillError('SOURCE_MISSING', `${source} does not exist`)
      return opened
    },
    close: async () => bucket.client.destroy(),
  }
}
