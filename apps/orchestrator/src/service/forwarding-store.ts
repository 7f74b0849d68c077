import type { Store } from '@layermill/storage'

/** A store that hands all calls to another one: what a store that changes some of them begins with. */
export function forwardingStore(store: Store): Store {
  return {
    url: store.url,
    get: key => store.get(key),
    getRange: (key, start, end) => store.getRange(key, start, end),
    stat: key => store.stat(key),
    put: (key, bytes, options) => store.put(key, bytes, options),
    putStream: (key, pieces, options) => store.putStream(key, pieces, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: key => store.delete(key),
    swapsExactly: () => store.swapsExactly(),
    freeBytes: () => store.freeBytes(),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  }
}
