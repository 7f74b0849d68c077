import { type Broker, openBroker } from '@layermill/jobs'
import { outageNotes } from './outage-notes.js'

/** @throws LayermillError as `openBroker` does */
export function openFleetQueue(url: string, note: (text: string) => void): Promise<Broker> {
  return openBroker(url, { onError: outageNotes(note) })
}
