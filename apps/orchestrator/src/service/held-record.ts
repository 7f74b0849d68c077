import { runPath, successPath } from '@layermill/contracts'
import type { PutOptions, Store } from '@layermill/storage'
import { forwardingStore } from './forwarding-store.js'

/** Tries of a write whose condition did not hold although nobody changed the record (a file system that rounds times later). */
const tries = 3

/** A record's version and content; both undefined where there is none. */
interface Version {
  readonly etag: string | undefined
  readonly bytes: Uint8Array | undefined
}

const absent: Version = { etag: undefined, bytes: undefined }

function sameBytes(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === undefined || other === undefined ? one === other : Buffer.compare(one, other) === 0
}

/** Known version of a run's record, and the reads and writes that it allows. */
class Hold {
  /** Undefined until it was looked at. */
  private held: Version | undefined

  constructor(
    private readonly store: Store,
    private readonly lost: () => Error,
  ) {}

  /** The record's content, which from now on must stay as it is or be changed through here. */
  async read(): Promise<Uint8Array | undefined> {
    const found = await this.look()
    if (this.held !== undefined && !sameBytes(found.bytes, this.held.bytes)) throw this.lost()
    this.held = found
    return found.bytes
  }

  async write(content: Uint8Array | string, options: PutOptions | undefined): Promise<true> {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content
    for (let attempt = 0; attempt < tries; attempt++) {
      const etag = this.held?.etag
      const condition = etag === undefined ? { ifAbsent: true } : { ifMatch: etag }
      if (await this.store.put(runPath, bytes, { ...options, ...condition })) {
        const found = await this.look()
        // Taken up by another one since.
        if (!sameBytes(found.bytes, bytes)) throw this.lost()
        this.held = found
        return true
      }
      this.held ??= absent
      await this.read()
    }
    throw this.lost()
  }

  async remove(): Promise<void> {
    if (this.held !== undefined) await this.read()
    await this.store.delete(runPath)
    this.held = absent
  }

  private async look(): Promise<Version> {
    // The version first: content that is newer than it makes the next write fail, never the other way round.
    const etag = (await this.store.stat(runPath))?.etag
    const bytes = etag === undefined ? undefined : await this.store.get(runPath)
    return bytes === undefined ? absent : { etag, bytes }
  }
}

/**
 * A store whose run record is written only as the successor of the version that was last read or written through it: of two orchestrators
 * that both take a run for theirs, the one whose version was replaced can neither change the record nor put `_SUCCESS` beside it, however
 * late its writes arrive. Another one replaces it by `claimRun`. A version is told by its content; so two versions must never be equal.
 *
 * Writes of the record with a condition of the caller's, and whatever is not the record, go through as they are.
 *
 * @param lost called where the record is not what it was left as; gives what is thrown
 */
export function heldRecord(store: Store, lost: () => Error): Store {
  const hold = new Hold(store, lost)
  return {
    ...forwardingStore(store),
    get: async key => (key === runPath ? hold.read() : store.get(key)),
    async put(key, bytes, options) {
      const conditional = options?.ifMatch !== undefined || options?.ifAbsent === true
      if (key === runPath && !conditional) return hold.write(bytes, options)
      if (key === successPath) await hold.read()
      return store.put(key, bytes, options)
    },
    delete: async key => (key === runPath ? hold.remove() : store.delete(key)),
  }
}
