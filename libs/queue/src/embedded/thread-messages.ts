/** Data for the embedded database's thread at its start. */
export interface ThreadData {
  /** Folder of the database, or undefined for memory. */
  directory: string | undefined
}

export type ToThread = { kind: 'bytes'; client: number; bytes: Uint8Array } | { kind: 'gone'; client: number } | { kind: 'close' }
export type FromThread = { kind: 'ready' } | { kind: 'bytes'; client: number; bytes: Uint8Array } | { kind: 'closed' }
