import { basename } from 'node:path'
import { LayermillError, type RandomAccess } from '@layermill/core'
import { type LoadOptions, loadWeights, type WeightSet } from '@layermill/weights'
import { openStore } from '@layermill/storage'

/**
 * A weight file in a store, `s3://bucket/key`, for reading.
 * @throws LayermillError `WEIGHTS_NOT_FOUND`; what the store throws.
 */
export async function openStoreFile(url: string): Promise<RandomAccess> {
  const key = basename(url)
  const store = openStore(url.slice(0, -key.length))
  const entry = await store.stat(key)
  if (entry === undefined) throw new LayermillError('WEIGHTS_NOT_FOUND', `${url} does not exist`)
  return {
    name: url,
    size: entry.bytes,
    async read(offset, target) {
      const bytes = await store.getRange(key, offset, offset + target.length)
      if (bytes?.length !== target.length)
        throw new LayermillError('WEIGHTS_TRUNCATED', `${url} ends before byte ${offset + target.length}`)
      target.set(bytes)
    },
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  }
}

export interface LoadFleetWeights {
  (model: string, source: string): Promise<WeightSet>
  /** How files of graphs are fetched. */
  readonly options?: LoadOptions
  /** The path of the graph that a source names by its hash; undefined where it names none. */
  readonly graph?: (source: string) => Promise<string | undefined>
}

/**
 * How a process of a fleet loads the weights that a spec names. Others gave the spec: its URLs are fetched from public addresses only,
 * unless `allowPrivate`.
 */
export function fleetWeightsLoader({ allowPrivate }: { readonly allowPrivate: boolean }): LoadFleetWeights {
  const options: LoadOptions = { open: openStoreFile, publicOnly: !allowPrivate }
  return Object.assign((model: string, source: string) => loadWeights(model, source, options), { options })
}
