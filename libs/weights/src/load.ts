import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorMessage, LayermillError, layermillHome, openFile, type RandomAccess, schemeOf, urlFolder, withLock } from '@layermill/core'
import { getNetwork, parameterShapes } from '@layermill/models'
import { download } from './fetch/download.js'
import { publicFetch } from './fetch/public-fetch.js'
import { weightsIdentity } from './identity.js'
import { initialiseGently } from './initialise.js'
import { modelWeightsFile } from './model-folder.js'
import { type FetchOptions, obtainPublished } from './published.js'
import { readWeights, type WeightTarget } from './read.js'
import type { WeightSet } from './types.js'

export interface LoadOptions extends FetchOptions {
  /** Opens URLs that are not http(s): `s3://bucket/key`. */
  readonly open?: ((url: string) => Promise<RandomAccess>) | undefined
  /** Of a file from an http(s) URL; checked when given. */
  readonly sha256?: string | undefined
  /** Fetch URLs from public addresses only: for sources that others name (SSRF). Published weights are where this package says. */
  readonly publicOnly?: boolean | undefined
}

/** Bytes that a file from a URL may have: several times the largest network in float64. */
const mostBytes = 4 * 1024 ** 3

/** A URL as it may be shown: without credentials, and without the query, which may hold some. */
export function displayUrl(url: string): string {
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`
}

/** Path of the file that an http(s) URL is kept in. */
export function urlFile(url: string, { home = layermillHome() }: Pick<LoadOptions, 'home'>): string {
  const folder = urlFolder(home, createHash('sha256').update(url).digest('hex').slice(0, 16))
  return join(folder, basename(new URL(url).pathname) || 'weights')
}

/**
 * Downloads a file from an http(s) URL once, and gives its path; what is there already is taken as it is.
 * @throws LayermillError `WEIGHTS_UNAVAILABLE`, `WEIGHTS_HASH`, `ADDRESS_REFUSED`
 */
export async function fetchToFile(url: string, options: LoadOptions): Promise<string> {
  const path = urlFile(url, options)
  const folder = dirname(path)
  const isThere = async (): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() === true
  if (!(await isThere())) {
    const { onProgress, timeoutMs } = options
    const signals = [options.signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)].filter(
      signal => signal !== undefined,
    )
    const hashes = options.sha256 === undefined ? {} : { sha256: options.sha256 }
    await withLock(join(folder, '.lock'), { signal: AbortSignal.any(signals) }, async signal => {
      if (await isThere()) return
      if (options.offline === true)
        throw new LayermillError('WEIGHTS_UNAVAILABLE', `${displayUrl(url)} is not kept here, and the network may not be used`)
      await download(
        { path, urls: [url], hashes, mostBytes },
        {
          ...options,
          ...(options.publicOnly === true ? { fetch: publicFetch() } : {}),
          signal,
          onProgress: onProgress && (progress => onProgress({ kind: 'download', ...progress })),
        },
      )
    })
  }
  return path
}

async function openUrl(url: string, options: LoadOptions): Promise<RandomAccess> {
  return { ...(await openFile(await fetchToFile(url, options))), name: displayUrl(url) }
}

async function randomWeights(network: WeightTarget, seed: string): Promise<WeightSet> {
  const tensors = await initialiseGently(network, parameterShapes(network), seed)
  return { tensors, variant: {}, source: `random:${seed}`, format: 'random', origin: 'random', sha256: await weightsIdentity(tensors, {}) }
}

async function openOther(url: string, scheme: string, options: LoadOptions): Promise<RandomAccess> {
  if (options.open === undefined) {
    throw new LayermillError('WEIGHTS_NOT_FOUND', `weights cannot be read from ${scheme}:// here (${displayUrl(url)})`, {
      hint: "use a file, an http(s) URL, 'imagenet' or 'random[:SEED]'",
    })
  }
  return options.open(url)
}

/** The file of weights in a model's folder, as transformers and timm write it; a file's own path as it is. */
async function fileOf(path: string): Promise<string> {
  if ((await stat(path).catch(() => undefined))?.isDirectory() !== true) return path
  const file = join(path, modelWeightsFile)
  if ((await stat(file).catch(() => undefined))?.isFile() === true) return file
  throw new LayermillError('WEIGHTS_NOT_FOUND', `${path} is a folder without ${modelWeightsFile}`, {
    hint: 'name the file of weights in it',
  })
}

/**
 * Weights of a network, from anywhere.
 *
 * The graph depends on where they come from: build it with `getNetwork(id, weights.variant)`.
 * @param network An id (`resnet50`, `resnet50.tv`) or a network.
 * @param source `imagenet` (the published ones, fetched once), `random` or `random:SEED`, a path of a
 * file or of a folder with `model.safetensors`, an http(s) URL (kept under
 * `$LAYERMILL_HOME`), or a URL that `options.open` knows.
 * @throws LayermillError `MODEL_UNKNOWN`; `WEIGHTS_NOT_FOUND`, `WEIGHTS_UNAVAILABLE`, `WEIGHTS_HASH`, `WEIGHTS_FORMAT`,
 * `WEIGHTS_TRUNCATED`, `WEIGHTS_MISMATCH`; `ADDRESS_REFUSED` with `publicOnly`. An abort by `options.signal` rejects with its reason.
 */
export async function loadWeights(network: string | WeightTarget, source: string, options: LoadOptions = {}): Promise<WeightSet> {
  const target = typeof network === 'string' ? getNetwork(network) : network
  if (source === 'imagenet') return obtainPublished(target, options)
  const random = /^random(?::(.+))?$/.exec(source)
  if (random !== null) return randomWeights(target, random[1] ?? '0')
  const scheme = schemeOf(source)
  if (scheme === undefined) return readWeights(await openFile(await fileOf(source)), target, undefined, options)
  if (scheme === 'file') {
    try {
      return await readWeights(await openFile(await fileOf(fileURLToPath(source))), target, undefined, options)
    } catch (cause) {
      if (cause instanceof LayermillError) throw cause
      throw new LayermillError('WEIGHTS_NOT_FOUND', `${source} is not a file of this machine: ${errorMessage(cause)}`, { cause })
    }
  }
  const file = scheme === 'http' || scheme === 'https' ? await openUrl(source, options) : await openOther(source, scheme, options)
  return readWeights(file, target, displayUrl(source), options)
}
