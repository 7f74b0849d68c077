import type { Waiting } from '@layermill/contracts'
import { type Broker, openBroker } from '@layermill/queue'
import { storeWaits } from '@layermill/storage'
import { type OutageNotes, outageNotes } from './outage-notes.js'

const outages = new WeakMap<Broker, OutageNotes>()

/**
 * Opens the queue of a fleet and tells of its outages.
 * @param directory folder that keeps the embedded queue beyond the process; default: memory
 * @throws LayermillError as `openBroker` does
 */
export async function openFleetQueue(url: string, note: (text: string) => void, directory?: string): Promise<Broker> {
  const notes = outageNotes(note)
  const broker = await openBroker(url, { onError: notes, ...(directory === undefined ? {} : { directory }) })
  outages.set(broker, notes)
  return broker
}

/** Trouble that this process has with its stores, if any. */
export function storeTrouble(): Waiting | undefined {
  const [slow] = storeWaits()
  return slow === undefined ? undefined : { code: 'store', ...slow }
}

/** Trouble that a process of a fleet waits for by itself: its queue, else its stores. */
export function ownTrouble(broker: Broker): Waiting | undefined {
  const outage = outages.get(broker)?.current()
  return outage === undefined ? storeTrouble() : { code: 'queue', ...outage }
}
