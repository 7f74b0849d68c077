import { LayermillError } from '@layermill/core'

/** One archive of a dataset: its key relative to where the dataset starts, and its version. */
export interface Shard {
  readonly name: string
  readonly bytes: number
  readonly etag: string
}

/** The archives of a dataset, wherever they are. Names are those that `list` gave: relative, `/` between parts. */
export interface ShardPlace {
  /** For people: the file or pattern as given. */
  readonly url: string
  /**
   * The archives, in the order of their names' UTF-8 bytes.
   *
   * @throws LayermillError `SOURCE_MISSING` naming an archive that the pattern spells out and that is not there, `SOURCE_DENIED`,
   * `SOURCE_UNREACHABLE`
   */
  list(): Promise<Shard[]>
  /** One archive as it is now, undefined where there is none. */
  stat(name: string): Promise<Shard | undefined>
  /**
   * Bytes of the version with this etag, from `start` (included) to `end` (left out).
   *
   * @throws LayermillError `IMAGE_MISSING`, `IMAGE_CHANGED`, `IMAGE_UNREADABLE`, `SOURCE_UNREACHABLE`
   */
  range(shard: Pick<Shard, 'name' | 'etag'>, start: number, end: number): Promise<Uint8Array>
  /** Bytes worth asking for at once: much for a far place, little for a disk. */
  readonly window: number
  close(): Promise<void>
}

/** Runs a reading of a listing: what an image's reading calls a changed image is here a changed archive. */
export async function whileListing<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof LayermillError) || !error.code.startsWith('IMAGE_')) throw error
    const code = error.code === 'IMAGE_MISSING' ? 'SOURCE_MISSING' : error.code === 'IMAGE_CHANGED' ? 'SOURCE_CHANGED' : 'SOURCE_DENIED'
    throw new LayermillError(code, error.message, { hint: error.hint, cause: error })
  }
}

/** The archive that a row or a key is of: by its place where it has one, else the one whose name the key starts with. */
export async function shardOfKey(place: ShardPlace, key: string): Promise<Shard> {
  for (let end = key.indexOf('/'); end > 0; end = key.indexOf('/', end + 1)) {
    const name = key.slice(0, end)
    if (!/\.(tar|parquet)$/i.test(name)) continue
    const shard = await place.stat(name)
    if (shard !== undefined) return shard
  }
  throw new LayermillError('IMAGE_MISSING', `${key} is not in ${place.url}`)
}
