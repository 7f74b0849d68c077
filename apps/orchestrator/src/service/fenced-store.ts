import type { Store } from '@layermill/storage'
import { forwardingStore } from './forwarding-store.js'

/**
 * A store that asks before every write. A process that was frozen while another took its run over must not write to it when it wakes:
 * `check` throws then, before anything is sent.
 */
export function fencedStore(store: Store, check: () => void): Store {
  return {
    ...forwardingStore(store),
    async put(key, bytes, options) {
      check()
      return store.put(key, bytes, options)
    },
    async putStream(key, pieces, options) {
      check()
      return store.putStream(key, pieces, options)
    },
    async delete(key) {
      check()
      return store.delete(key)
    },
  }
}
