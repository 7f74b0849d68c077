import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  canonicalPath,
  errorCode,
  errorMessage,
  LayermillError,
  layermillHome,
  openFile,
  publishedPath,
  weightsFolder,
  withLock,
} from '@layermill/core'
import { getNetwork, type PublishedFile, type PublishedWeights } from '@layermill/models'
import { download, type DownloadOptions, type DownloadProgress } from './fetch/download.js'
import { disagreement, hashFile } from './fetch/hash.js'
import { metadataKeys } from './metadata.js'
import { openTensorFile } from './readers/detect.js'
import { readWeights, type WeightTarget } from './read.js'
import { publishedWeights, type WeightRegistry } from './registry.js'
import type { ReadOptions, WeightSet } from './types.js'
import { writeWeightsSafetensors } from './writers/safetensors.js'

export type WeightsProgress =
  | ({ readonly kind: 'download' } & DownloadProgress)
  /** Another process is fetching the same weights. */
  | { readonly kind: 'waiting'; readonly network: string }
  | { readonly kind: 'converting'; readonly network: string; readonly file: string }

export interface FetchOptions extends Omit<DownloadOptions, 'onProgress'>, ReadOptions {
  /** Default: `layermillHome()`. */
  readonly home?: string | undefined
  readonly onProgress?: ((progress: WeightsProgress) => void) | undefined
  /** For everything, waiting for another process included. Default: no limit. */
  readonly timeoutMs?: number | undefined
  /** Never use the network. */
  readonly offline?: boolean | undefined
  /** A base URL tried before the published ones: `MIRROR/NETWORK/FILE`. */
  readonly mirror?: string | undefined
  /** Instead of the published files. */
  readonly registry?: WeightRegistry | undefined
}

export interface FetchedWeights {
  readonly network: string
  /** The converted weights. */
  readonly path: string
  readonly source: string
  readonly sha256: string
}

const unwritable = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST'])

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() === true

/** Identity that a file written here has in its metadata, to compare with that of its contents. */
async function recordedIdentity(path: string): Promise<{ sha256: string | undefined; source: string | undefined }> {
  await using file = await openFile(path)
  const { metadata } = await openTensorFile(file)
  return { sha256: metadata.get(metadataKeys.sha256), source: metadata.get(metadataKeys.source) }
}

/**
 * Reads converted weights and holds them against the hash that was written with them.
 * @throws LayermillError `WEIGHTS_HASH` when they have changed since.
 */
export async function readCanonical(path: string, network: WeightTarget, options: ReadOptions = {}): Promise<WeightSet> {
  const recorded = await recordedIdentity(path)
  const weights = await readWeights(await openFile(path), network, recorded.source, options)
  if (recorded.sha256 !== undefined && recorded.sha256 !== weights.sha256) {
    throw new LayermillError(
      'WEIGHTS_HASH',
      `${path} has changed since it was written: its tensors hash to ${weights.sha256}, not ${recorded.sha256}`,
      {
        hint: 'remove it; it is made again',
      },
    )
  }
  return weights
}

function describeFile(home: string, network: string, file: PublishedFile): string {
  const [name, hash] = Object.entries(file.hashes)[0] ?? []
  const facts = [...(file.bytes === undefined ? [] : [`${file.bytes} bytes`]), ...(hash === undefined ? [] : [`${name} ${hash}`])]
  return `${publishedPath(home, network, file.file)}${facts.length === 0 ? '' : ` (${facts.join(', ')})`} from ${file.urls[0]}`
}

/** The error where no published file can be had. */
export function unavailable(
  home: string,
  network: string,
  published: PublishedWeights,
  failures: readonly string[],
  allWrong: boolean,
): LayermillError {
  const [first] = published.files
  const why = failures.length === 0 ? '' : `: ${failures.join('; ')}`
  if (first === undefined) {
    return new LayermillError('WEIGHTS_UNAVAILABLE', `no published weights of ${network} can be read`, { hint: published.unavailable })
  }
  return new LayermillError(allWrong ? 'WEIGHTS_HASH' : 'WEIGHTS_UNAVAILABLE', `the published weights of ${network} cannot be had${why}`, {
    hint: `put the file at ${describeFile(home, network, first)}; or use --weights FILE, or --weights random`,
  })
}

/** One published file on disk, checked: there already, or downloaded. */
async function obtainFile(network: string, file: PublishedFile, home: string, options: FetchOptions, signal: AbortSignal): Promise<string> {
  const path = publishedPath(home, network, file.file)
  if (await isFile(path)) {
    const problem = disagreement(await hashFile(path, file.hashes, signal), file.hashes)
    if (problem === undefined) return path
    if (options.offline === true) throw new LayermillError('WEIGHTS_HASH', `${path} is not the published file: ${problem}`)
  }
  if (options.offline === true) throw new LayermillError('WEIGHTS_UNAVAILABLE', `${path} is not there, and the network may not be used`)
  const mirrored = options.mirror === undefined ? [] : [`${options.mirror.replace(/\/+$/, '')}/${network}/${file.file}`]
  const onProgress = options.onProgress
  await download(
    { path, urls: [...mirrored, ...file.urls], bytes: file.bytes, hashes: file.hashes },
    { ...options, signal, onProgress: onProgress && (progress => onProgress({ kind: 'download', ...progress })) },
  )
  return path
}

async function convert(network: WeightTarget, path: string, file: PublishedFile, home: string, options: FetchOptions): Promise<WeightSet> {
  options.onProgress?.({ kind: 'converting', network: network.id, file: file.file })
  const read = await readWeights(await openFile(path), network, file.file, options)
  const weights: WeightSet = read.preparation === undefined ? read : { ...read, preparation: { ...read.preparation, from: 'published' } }
  await writeWeightsSafetensors(canonicalPath(home, network.id), network, weights)
  return weights
}

/** The published weights under the lock: from what lies there, else from the first file that can be had. */
async function obtain(network: WeightTarget, home: string, options: FetchOptions, signal: AbortSignal): Promise<WeightSet> {
  const published = (options.registry ?? publishedWeights)[network.id] ?? { files: [] }
  const failures: string[] = []
  const codes: string[] = []
  const fail = (error: unknown): void => {
    signal.throwIfAborted()
    codes.push(errorCode(error))
    failures.push(errorMessage(error))
  }
  if (await isFile(canonicalPath(home, network.id))) {
    try {
      return await readCanonical(canonicalPath(home, network.id), network, options)
    } catch (error) {
      fail(error)
      if (published.files.length === 0) throw error
    }
  }
  for (const file of published.files) {
    try {
      const path = await obtainFile(network.id, file, home, options, signal)
      try {
        return await convert(network, path, file, home, options)
      } catch (error) {
        // A file without a known hash that does not fit is somebody's error page or another file: it must not stay in the way.
        if (Object.keys(file.hashes).length === 0) await rm(path, { force: true })
        throw error
      }
    } catch (error) {
      fail(error)
    }
  }
  throw unavailable(home, network.id, published, failures, codes.length > 0 && codes.every(code => code === 'WEIGHTS_HASH'))
}

/**
 * The published weights of a network, fetched, checked and converted the first time.
 * @throws LayermillError `WEIGHTS_UNAVAILABLE` (offline, say: its hint names the file and its place), `WEIGHTS_HASH`.
 */
export async function obtainPublished(network: WeightTarget, options: FetchOptions = {}): Promise<WeightSet> {
  const home = options.home ?? layermillHome()
  const canonical = canonicalPath(home, network.id)
  if (await isFile(canonical)) {
    const weights = await readCanonical(canonical, network, options).catch(() => undefined)
    if (weights !== undefined) return weights
  }
  const timeout = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs)
  const signals = [options.signal, timeout].filter(signal => signal !== undefined)
  const signal = AbortSignal.any(signals)
  const onWait = (): void => options.onProgress?.({ kind: 'waiting', network: network.id })
  try {
    return await withLock(join(weightsFolder(home, network.id), '.lock'), { signal, onWait }, locked =>
      obtain(network, home, options, locked),
    )
  } catch (error) {
    const published = (options.registry ?? publishedWeights)[network.id] ?? { files: [] }
    if (unwritable.has(errorCode(error))) {
      throw new LayermillError('WEIGHTS_UNAVAILABLE', `${home} cannot be written: ${errorMessage(error)}`, {
        hint: 'set LAYERMILL_HOME to a folder that can',
        cause: error,
      })
    }
    if (timeout?.aborted !== true || options.signal?.aborted === true) throw error
    throw unavailable(home, network.id, published, [`not within ${options.timeoutMs} ms`], false)
  }
}

/**
 * Fetches the published weights of a network if they are not there yet. What was downloaded before an interruption is kept and
 * resumed; two processes at once download once.
 * @throws LayermillError `MODEL_UNKNOWN`, `WEIGHTS_UNAVAILABLE`, `WEIGHTS_HASH`.
 */
export async function fetchWeights(id: string, options: FetchOptions = {}): Promise<FetchedWeights> {
  const weights = await obtainPublished(getNetwork(id), options)
  const home = options.home ?? layermillHome()
  return { network: id, path: canonicalPath(home, id), source: weights.source, sha256: weights.sha256 }
}
