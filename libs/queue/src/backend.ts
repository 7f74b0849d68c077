import type { BackendFactory, IQueueBackend } from 'bullmq'

/** BullMQ's factory with its connection already chosen, so that queues and workers of every backend have one type. */
export type Factory = BackendFactory<IQueueBackend, unknown>

export type BrokerKind = 'embedded' | 'redis' | 'postgres'

/** Bytes under a key for a while; what tensors are exchanged through. Values are at most a few MiB. */
export interface BlobStore {
  put(key: string, bytes: Uint8Array, ttlMs: number): Promise<void>
  get(key: string): Promise<Uint8Array | undefined>
  delete(keys: readonly string[]): Promise<void>
  /** Deletes every key that begins so. Looks at all keys of the server: for the start and the end of a run, not for each step. */
  deleteBelow(prefix: string): Promise<void>
}

/** A connected queue server. */
export interface QueueServer {
  readonly kind: BrokerKind
  /** For people; without credentials. */
  readonly description: string
  readonly factory: Factory
  readonly blobs: BlobStore
  /** Position from which a new reader takes the events of a queue; left out where readers know it by themselves. */
  eventsFrom?(): Promise<string>
  /** Ends every connection; waits at most a little for replies under way. */
  close(): Promise<void>
}

export interface ServerOptions {
  /** Folder of the embedded queue. Default: memory. */
  directory?: string
  /** How long to try to reach a server. Default 10,000. */
  connectTimeoutMs?: number
  /** Told of errors of connections; they mend themselves where they can. Never with credentials. */
  onError?: (error: Error) => void
}
