import { randomBytes } from 'node:crypto'
import type { Store } from '@layermill/storage'

/**
 * Writes something to a store and takes it away again.
 * @throws LayermillError as the store does, where it cannot be written
 */
export async function probeWriting(store: Store): Promise<void> {
  const key = `doubts/probe-${randomBytes(8).toString('hex')}`
  await store.put(key, '')
  await store.delete(key)
}
