import { timingSafeEqual } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { errorMessage } from '@layermill/core'
import type { Caller } from '@layermill/contracts'
import { hashToken, readTokens, type TokenRecord } from './token-file.js'

/** Store in which the server looks tokens up. */
export interface TokenStore {
  /** How many tokens there are. */
  readonly size: number
  /** Whose token this is; undefined for one that is unknown or has expired. */
  verify(token: string): Promise<Caller | undefined>
}

interface Entry {
  readonly record: TokenRecord
  readonly hash: Buffer
}

function find(entries: readonly Entry[], token: string, now: number): Caller | undefined {
  const hash = hashToken(token)
  let found: TokenRecord | undefined
  // Every entry is compared, in the same time each, so that the answer's time tells nothing of the hashes.
  for (const entry of entries) if (timingSafeEqual(entry.hash, hash)) found = entry.record
  if (found === undefined || (found.expires !== undefined && Date.parse(found.expires) <= now)) return undefined
  return { name: found.name, scopes: found.scopes }
}

const toEntries = (records: readonly TokenRecord[]): Entry[] => records.map(record => ({ record, hash: Buffer.from(record.sha256, 'hex') }))

/** Tokens that do not change. */
export function fixedTokens(records: readonly TokenRecord[], now: () => number = Date.now): TokenStore {
  const entries = toEntries(records)
  return { size: entries.length, verify: token => Promise.resolve(find(entries, token, now())) }
}

/** Version of a file that has no name any more: a mount of this one file still shows it, while its name belongs to another. */
const unlinked = 'unlinked'

async function versionOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs, nlink } = await stat(file)
    return [dev, ino, size, mtimeMs, ctimeMs, nlink === 0 ? unlinked : ''].join('-')
  } catch {
    return 'missing'
  }
}

/** Tokens of a file, read again whenever it changes. */
class TokenFile implements TokenStore {
  private reading: Promise<void> | undefined

  constructor(
    private readonly file: string,
    private entries: Entry[],
    private version: string,
    private readonly warn: (message: string) => void,
  ) {}

  get size(): number {
    return this.entries.length
  }

  async verify(token: string): Promise<Caller | undefined> {
    await this.refresh()
    return find(this.entries, token, Date.now())
  }

  private async refresh(): Promise<void> {
    const version = await versionOf(this.file)
    // A reading that another request began may have seen the file as it was before.
    while (version !== this.version) {
      const started = this.reading
      this.reading ??= this.read(version).finally(() => {
        this.reading = undefined
      })
      await this.reading
      if (started === undefined) return
    }
  }

  /** A file that cannot be read, or is half edited, must not lock everybody out: the tokens stay as they were. */
  private async read(version: string): Promise<void> {
    try {
      this.entries = toEntries(await readTokens(this.file))
    } catch (error) {
      this.warn(`${errorMessage(error)}; the tokens stay as they were`)
    }
    this.version = version
    if (!version.endsWith(unlinked)) return
    this.warn(
      `${this.file} was replaced by another file, which a mount of one file does not show: removed tokens still count. Mount its folder, and restart`,
    )
  }
}

/**
 * Opens a token file (see `parseTokens`). Changes of the file count from the next request on; `warn` is told of a change that cannot be
 * read.
 * @throws LayermillError `TOKENS_UNREADABLE` or `TOKENS_INVALID`.
 */
export async function openTokens(file: string, warn: (message: string) => void): Promise<TokenStore> {
  const version = await versionOf(file)
  return new TokenFile(file, toEntries(await readTokens(file)), version, warn)
}
