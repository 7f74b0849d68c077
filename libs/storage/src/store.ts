/** Files by key under one root: a folder (`file://`, a plain path) or a bucket's prefix (`s3://bucket/prefix`). */
export interface StoreEntry {
  /** Relative to the root, `/` between parts, never leading. */
  readonly key: string
  readonly bytes: number
  /** Changes when the content does: S3's ETag without quotes; for files `size-mtimeNs` in hexadecimal. */
  readonly etag: string
}

export interface PutOptions {
  /** Write only where the key does not exist yet: of any number of writers at the same moment exactly one does. */
  ifAbsent?: boolean
  /** Replace only this version (compare and swap), as returned by `stat`; exact among writers that use it. */
  ifMatch?: string
  contentType?: string
}

/**
 * One contract for every place results can live. Keys that would leave the root (`..`, absolute, NUL) are refused with `KEY_INVALID`.
 * A write is whole or not there at all: a reader, or a crash at any moment, never sees half of it.
 */
export interface Store extends AsyncDisposable {
  /** Place of the store, for people and run.json. It never holds credentials. */
  readonly url: string
  /** The bytes, or undefined where there is nothing under this key. */
  get(key: string): Promise<Uint8Array | undefined>
  /**
   * As `get`, for the bytes from `start` (included) to `end` (left out). They may be a view of `room`, where it is given and large enough,
   * so that many reads need no memory of their own.
   */
  getRange(key: string, start: number, end: number, room?: Uint8Array): Promise<Uint8Array | undefined>
  /**
   * Returns false where `ifAbsent` or `ifMatch` did not hold and nothing was written.
   *
   * @throws LayermillError `KEY_INVALID`, `STORE_FULL`, `STORE_DENIED`, `STORE_MISSING` (no such bucket), `STORE_UNREACHABLE` (after
   * retries;
   *   worth another try later), `STORE_FAILED`
   */
  put(key: string, bytes: Uint8Array | string, options?: PutOptions): Promise<boolean>
  /**
   * As `put`, for what comes in pieces and need not fit into memory: whole once all of it has come, not there at all where the pieces end
   * in an error, which is thrown.
   */
  putStream(key: string, pieces: AsyncIterable<Uint8Array>, options?: Pick<PutOptions, 'ifAbsent' | 'contentType'>): Promise<boolean>
  stat(key: string): Promise<StoreEntry | undefined>
  /**
   * Entries whose key starts with `prefix`, in order of their key's UTF-8 bytes, as a stream; `after` leaves out keys up to and including
   * it.
   */
  list(prefix: string, options?: { after?: string }): AsyncIterable<StoreEntry>
  /** No error where there is nothing. */
  delete(key: string): Promise<void>
  /**
   * Whether `ifAbsent` and `ifMatch` are exact among writers at the same moment. False where a server ignores conditions: there the store
   * looks first and writes then, which two writers can both pass.
   * @throws LayermillError as `put` does; asking may write and delete a small object
   */
  swapsExactly(): Promise<boolean>
  /** Free bytes, where the place can say (a disk), else undefined. */
  freeBytes(): Promise<number | undefined>
  close(): Promise<void>
}
