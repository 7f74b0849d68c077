import { stat } from 'node:fs/promises'
import { canonicalPath, errorMessage, LayermillError, layermillHome, publishedPath } from '@layermill/core'
import { networkIds } from '@layermill/models'
import { publicFetch } from './fetch/public-fetch.js'
import { displayUrl, type LoadOptions, urlFile } from './load.js'
import { unavailable } from './published.js'
import { publishedWeights } from './registry.js'

/** Milliseconds that servers have to answer: one that takes longer may still have the file. */
const patienceMs = 4000

/** Answers of servers that do not have the file; others may be of a server that does not like to be asked. */
const gone = new Set([404, 410])

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() === true

/** Reason why a file cannot be had from a URL; undefined where it may be. */
async function refusal(url: string, open: typeof fetch, signal: AbortSignal): Promise<string | undefined> {
  try {
    const response = await open(url, { headers: { 'accept-encoding': 'identity' }, signal })
    await response.body?.cancel()
    return gone.has(response.status) ? `${displayUrl(url)}: the server answered ${response.status}` : undefined
  } catch (error) {
    if (signal.aborted) return undefined
    if (error instanceof LayermillError) throw error
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
    return `${displayUrl(url)}: ${errorMessage(error)}${cause}`
  }
}

/** Reasons of all URLs, asked at once; undefined where one of them may have the file. */
async function refusals(urls: readonly string[], options: LoadOptions): Promise<string[] | undefined> {
  const signal = AbortSignal.timeout(options.timeoutMs ?? patienceMs)
  const open = options.publicOnly === true ? publicFetch() : (options.fetch ?? fetch)
  const found = await Promise.all(urls.map(url => refusal(url, open, signal)))
  const reasons = found.filter(reason => reason !== undefined)
  return reasons.length < urls.length ? undefined : reasons
}

async function checkPublished(network: string, options: LoadOptions): Promise<void> {
  const home = options.home ?? layermillHome()
  const published = (options.registry ?? publishedWeights)[network] ?? { files: [] }
  const kept = [canonicalPath(home, network), ...published.files.map(({ file }) => publishedPath(home, network, file))]
  for (const path of kept) if (await isFile(path)) return
  const { offline = false, mirror } = options
  const mirrored = mirror === undefined ? [] : published.files.map(({ file }) => `${mirror.replace(/\/+$/, '')}/${network}/${file}`)
  const urls = [...mirrored, ...published.files.flatMap(file => file.urls)]
  const reasons = offline ? ['the network may not be used'] : await refusals(urls, { ...options, publicOnly: false })
  if (reasons !== undefined) throw unavailable(home, network, published, reasons, false)
}

/**
 * Asks cheaply whether weights that must be fetched can be had: nothing is downloaded. Files of this machine and of stores are left to those
 * who read them, as is every doubt: a server that answers late, or with anything but that the file is not there.
 * @param network id of a network; of others nothing is published
 * @param source as `loadWeights` takes it
 * @throws LayermillError `WEIGHTS_UNAVAILABLE`; `ADDRESS_REFUSED` with `publicOnly`
 */
export async function checkWeightsReach(network: string, source: string, options: LoadOptions = {}): Promise<void> {
  if (source === 'imagenet') {
    if (networkIds.includes(network)) await checkPublished(network, options)
    return
  }
  if (!/^https?:/i.test(source) || (await isFile(urlFile(source, options)))) return
  const reasons = options.offline === true ? ['the network may not be used'] : await refusals([source], options)
  if (reasons !== undefined) throw new LayermillError('WEIGHTS_UNAVAILABLE', `weights: ${reasons.join('; ')}`)
}
