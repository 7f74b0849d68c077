import { LayermillError } from '@layermill/core'
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from './store.js'

/** Tries of a swap before somebody is told that the object is changed all the time. */
const tries = 60

/** Change made of an object's content. */
export interface ObjectChange<Value> {
  /** For the caller, once it is done. */
  readonly value: Value
  /** Content that is to be there. Undefined where the present one may stay. */
  readonly text: string | undefined
}

/** Those who lost to each other must not meet again at the same moment. */
async function backOff(attempt: number): Promise<void> {
  await pause(Math.random() * Math.min(500, 10 * 2 ** attempt))
}

/**
 * Changes a JSON or text object by compare and swap: of writers at the same moment each sees what the one before it made.
 *
 * @param change gets the content as it is, undefined where there is none, and may be called again with a newer one; gives undefined where
 *   nothing is to be changed
 * @param busy what is thrown where others were faster every time
 * @param contentType of the object
 * @returns the change's value; undefined where `change` gave none
 * @throws what `change` throws; as the store does
 */
export async function changeObject<Value>(
  store: Store,
  key: string,
  change: (bytes: Uint8Array | undefined) => ObjectChange<Value> | undefined | Promise<ObjectChange<Value> | undefined>,
  busy: () => Error,
  contentType = 'application/json',
): Promise<Value | undefined> {
  for (let attempt = 0; attempt < tries; attempt++) {
    // The version first: content that is newer than it makes the write fail, never the other way round.
    const etag = (await store.stat(key))?.etag
    const changed = await change(etag === undefined ? undefined : await store.get(key))
    if (changed?.text === undefined) return changed?.value
    const condition = etag === undefined ? { ifAbsent: true } : { ifMatch: etag }
    if (await store.put(key, changed.text, { contentType, ...condition })) return changed.value
    await backOff(attempt)
  }
  throw busy()
}

/**
 * Refuses a store whose server ignores conditional writes, for what two writers at the same moment would spoil in silence.
 *
 * @param what is to be kept there, as 'a registry of models'
 * @throws LayermillError `STORE_CONDITIONS`; as the store does
 */
export async function requireExactSwaps(store: Store, what: string): Promise<void> {
  if (await store.swapsExactly()) return
  throw new LayermillError(
    'STORE_CONDITIONS',
    `${store.url} cannot hold ${what}: its server ignores conditional writes (If-Match, If-None-Match)`,
    {
      hint: 'Use a folder that all share, or a server that honours them; docs/operations.md says which were tried.',
    },
  )
}
