import type { BlobStore } from './backend.js'

/** Blobs in this process, for the embedded queue. Expired ones go when anything is put, so that no timer keeps the process up. */
export class MemoryBlobs implements BlobStore {
  private readonly blobs = new Map<string, { bytes: Uint8Array; expires: number }>()
  private readonly now: () => number

  constructor(now: () => number = Date.now) {
    this.now = now
  }

  put(key: string, bytes: Uint8Array, ttlMs: number): Promise<void> {
    const now = this.now()
    for (const [name, blob] of this.blobs) if (blob.expires <= now) this.blobs.delete(name)
    this.blobs.set(key, { bytes, expires: now + ttlMs })
    return Promise.resolve()
  }

  get(key: string): Promise<Uint8Array | undefined> {
    const blob = this.blobs.get(key)
    return Promise.resolve(blob !== undefined && blob.expires > this.now() ? blob.bytes : undefined)
  }

  delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.blobs.delete(key)
    return Promise.resolve()
  }

  deleteBelow(prefix: string): Promise<void> {
    return this.delete([...this.blobs.keys()].filter(key => key.startsWith(prefix)))
  }
}
