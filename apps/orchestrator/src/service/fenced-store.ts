import type { Store } from '@layermill/storage'

/**
 * A store that asks before every write. A process that was frozen while another took its run over must not write to it when it wakes:
 * `check` throws then, before anything is sent.
 */
export function fencedStore(store: Store, check: () => void): Store {
  return {
    url: store.url,
    get: key => store.get(key),
    getRange: (key, start, end) => store.getRange(key, start, end),
    stat: key => store.stat(key),
    list: (prefix, options) => store.list(prefix, options),
    freeBytes: () => store.freeBytes(),
    close: () => store.close(),
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
