import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage, LayermillError, writeAll } from '@layermill/core'
import { disagreement, type Hashes, hashFile } from './hash.js'

export interface DownloadProgress {
  readonly file: string
  readonly url: string
  /** Bytes on disk, those of an earlier attempt included. */
  readonly received: number
  /** Undefined when nobody says. */
  readonly total: number | undefined
}

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined
  /** A connection that brings nothing for this long is given up. Default 30 s. */
  readonly stallMs?: number | undefined
  /** Attempts per URL that bring nothing new. Default 3. */
  readonly attempts?: number | undefined
  /** Wait before the second attempt; doubled each time. Default 500 ms. */
  readonly retryDelayMs?: number | undefined
  /** Instead of Node's own. */
  readonly fetch?: typeof fetch | undefined
}

/** File to download. */
export interface DownloadTarget {
  readonly path: string
  readonly urls: readonly string[]
  readonly bytes?: number | undefined
  /** More than this is not taken, where `bytes` is not known. */
  readonly mostBytes?: number | undefined
  readonly hashes: Hashes
}

/** Kept beside the partial file: whose bytes they are. */
interface PartState {
  readonly url: string
  /** A strong ETag, or the date of the last change. */
  readonly validator?: string | undefined
}

/** No further attempt at this URL helps. */
class GiveUp extends Error {}

/** Bytes came, and they are the wrong ones. */
class WrongBytes extends GiveUp {}

const retriedStatus = new Set([408, 425, 429, 500, 502, 503, 504])

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0

async function readState(path: string): Promise<PartState | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as PartState
  } catch {
    return undefined
  }
}

function validatorOf(headers: Headers): string | undefined {
  const etag = headers.get('etag')
  if (etag !== null && !etag.startsWith('W/')) return etag
  return headers.get('last-modified') ?? undefined
}

/** `bytes 100-199/200`. */
function parseContentRange(text: string | null): { start: number; total: number | undefined } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(text ?? '')
  return match === null ? undefined : { start: Number(match[1]), total: match[2] === '*' ? undefined : Number(match[2]) }
}

/** One download into `path.part`. */
class Download {
  private readonly target: DownloadTarget
  private readonly options: DownloadOptions
  private readonly part: string
  private readonly statePath: string

  constructor(target: DownloadTarget, options: DownloadOptions) {
    this.target = target
    this.options = options
    this.part = `${target.path}.part`
    this.statePath = `${target.path}.part.json`
  }

  async run(): Promise<void> {
    const failures: string[] = []
    let wrong = 0
    for (const url of this.target.urls) {
      try {
        await this.wholeFrom(url)
        return
      } catch (error) {
        this.options.signal?.throwIfAborted()
        // Refused, which no other address makes up for.
        if (error instanceof LayermillError) throw error
        if (error instanceof WrongBytes) wrong++
        failures.push(`${url}: ${describe(error)}`)
      }
    }
    const allWrong = wrong > 0 && wrong === this.target.urls.length
    throw new LayermillError(
      allWrong ? 'WEIGHTS_HASH' : 'WEIGHTS_UNAVAILABLE',
      `could not download ${this.target.path}: ${failures.join('; ')}`,
    )
  }

  /** The checked file from one URL. When what an earlier attempt left may be what is wrong, once more from the beginning. */
  private async wholeFrom(url: string): Promise<void> {
    const resumed = (await sizeOf(this.part)) > 0
    try {
      await this.fromUrl(url)
      await this.finish()
    } catch (error) {
      if (!resumed || !(error instanceof WrongBytes)) throw error
      await this.discard()
      await this.fromUrl(url)
      await this.finish()
    }
  }

  /** Brings the partial file to its end, in as many requests as it takes while each brings something. */
  private async fromUrl(url: string): Promise<void> {
    const { attempts = 3, retryDelayMs = 500, signal } = this.options
    let failed = 0
    for (;;) {
      const before = await sizeOf(this.part)
      try {
        await this.request(url, before)
        return
      } catch (error) {
        signal?.throwIfAborted()
        if (error instanceof GiveUp || error instanceof LayermillError) throw error
        const progressed = (await sizeOf(this.part)) > before
        failed = progressed ? 1 : failed + 1
        if (failed >= attempts && !progressed) throw error
        await sleep(retryDelayMs * 2 ** (failed - 1), undefined, signal === undefined ? {} : { signal })
      }
    }
  }

  private async request(url: string, have: number): Promise<void> {
    const { bytes, hashes } = this.target
    if (bytes !== undefined && have === bytes) return
    const state = await readState(this.statePath)
    const headers: Record<string, string> = { 'accept-encoding': 'identity' }
    // From the same server the rest is asked for only if the file is unchanged. From another, only when size and hash are known.
    const checkable = bytes !== undefined && Object.keys(hashes).length > 0
    if (have > 0 && state?.url === url && state.validator !== undefined) {
      headers['range'] = `bytes=${have}-`
      headers['if-range'] = state.validator
    } else if (have > 0 && checkable) {
      headers['range'] = `bytes=${have}-`
    }
    const stall = new AbortController()
    const outer = this.options.signal
    const signal = outer === undefined ? stall.signal : AbortSignal.any([outer, stall.signal])
    const stallMs = this.options.stallMs ?? 30_000
    const timer = setTimeout(() => stall.abort(new Error(`nothing came for ${stallMs} ms`)), stallMs)
    try {
      const response = await (this.options.fetch ?? fetch)(url, { headers, signal })
      try {
        await this.receive(url, response, have, () => timer.refresh())
      } finally {
        if (!response.bodyUsed) await response.body?.cancel()
      }
    } finally {
      clearTimeout(timer)
    }
  }

  private async receive(url: string, response: Response, have: number, alive: () => void): Promise<void> {
    if (response.status === 416) {
      await this.discard()
      throw new Error('the server has no more than what was there; beginning again')
    }
    if (!response.ok) {
      const message = `the server answered ${response.status}`
      throw retriedStatus.has(response.status) ? new Error(message) : new GiveUp(message)
    }
    const range = response.status === 206 ? parseContentRange(response.headers.get('content-range')) : undefined
    if (response.status === 206 && range?.start !== have) {
      await this.discard()
      throw new Error('the server sent another part than the one asked for')
    }
    const start = range === undefined ? 0 : have
    const length = response.headers.get('content-length')
    const total = range?.total ?? (length === null ? undefined : start + Number(length))
    const { bytes, mostBytes } = this.target
    if (bytes !== undefined && total !== undefined && total !== bytes) {
      throw new WrongBytes(`the file there has ${total} bytes, expected ${bytes}`)
    }
    if (mostBytes !== undefined && total !== undefined && total > mostBytes)
      throw new WrongBytes(`the file there has ${total} bytes, expected at most ${mostBytes}`)
    if (response.body === null) throw new Error('the server sent nothing')
    await writeFile(this.statePath, JSON.stringify({ url, validator: validatorOf(response.headers) } satisfies PartState))
    await this.append(url, response.body, start, total ?? bytes, alive)
  }

  private async append(
    url: string,
    body: ReadableStream<Uint8Array>,
    start: number,
    total: number | undefined,
    alive: () => void,
  ): Promise<void> {
    const handle = await open(this.part, start === 0 ? 'w' : 'a')
    let received = start
    const { onProgress } = this.options
    const limit = this.target.bytes ?? total ?? this.target.mostBytes
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        alive()
        received += chunk.length
        if (limit !== undefined && received > limit) throw new WrongBytes(`more came than the ${limit} bytes expected`)
        await writeAll(handle, chunk)
        onProgress?.({ file: this.target.path, url, received, total })
      }
      await handle.sync()
    } catch (error) {
      if (error instanceof WrongBytes) await handle.truncate(0)
      throw error
    } finally {
      await handle.close()
    }
    if (total !== undefined && received < total) throw new Error(`the connection ended after ${received} of ${total} bytes`)
  }

  /** Checks the whole file and puts it in its place. */
  private async finish(): Promise<void> {
    const found = await hashFile(this.part, this.target.hashes, this.options.signal)
    const problem = disagreement(found, this.target.hashes)
    if (problem !== undefined) {
      await this.discard()
      throw new WrongBytes(problem)
    }
    await rename(this.part, this.target.path)
    await rm(this.statePath, { force: true })
  }

  private async discard(): Promise<void> {
    await rm(this.part, { force: true })
    await rm(this.statePath, { force: true })
  }
}

/** Message of an error, with the system's own words, which `fetch` hides in the cause. */
function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `${errorMessage(error)}${cause}`
}

/**
 * Downloads a file: resumed where an earlier attempt stopped, retried, from one URL after the other, checked by its hash, renamed
 * into place last. The caller holds a lock: two at once would write into the same partial file.
 * @throws LayermillError `WEIGHTS_HASH` when every source has other bytes than expected, `WEIGHTS_UNAVAILABLE` naming each URL's failure;
 * `ADDRESS_REFUSED` where `options.fetch` is `publicFetch`.
 */
export async function download(target: DownloadTarget, options: DownloadOptions = {}): Promise<void> {
  await new Download(target, options).run()
}
