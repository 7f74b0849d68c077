import { busy, stop } from './protocol.js'

/** How long an exiting process waits for a native call, in milliseconds: longer than any batch should take. */
const patience = 60_000

/** Fresh flags, to be given to the thread. */
export function createFlags(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
}

/** Runs a native call, marked as such. Once the process is exiting it starts nothing and never settles. */
export async function nativeCall<T>(flags: Int32Array, call: () => Promise<T>): Promise<T> {
  Atomics.store(flags, busy, 1)
  try {
    // BUSY is set before STOP is read, and the exiting process sets STOP before it reads BUSY: one of the two sees the other.
    if (Atomics.load(flags, stop) === 0) return await call()
  } finally {
    Atomics.store(flags, busy, 0)
    Atomics.notify(flags, busy)
  }
  return new Promise<never>(() => {})
}

/** Lets no native call begin any more and blocks until the one under way is done. For `process.on('exit')`. */
export function stopNativeCalls(flags: Int32Array): void {
  Atomics.store(flags, stop, 1)
  Atomics.wait(flags, busy, 1, patience)
}
