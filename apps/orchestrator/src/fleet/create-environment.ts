import { randomBytes } from 'node:crypto'
import { version } from '@layermill/core'
import { prepareVersion } from '@layermill/preprocess'
import { openSource, openStore } from '@layermill/storage'
import type { RunEnvironment } from '../run/environment.js'

/**
 * The world of a run's supervisor.
 * @param queue the queue of a run's parts; asked when a run has parts to compute
 * @param model loads the network that a spec names
 * @param note told of matters for people
 */
export function createEnvironment(
  queue: RunEnvironment['queue'],
  model: RunEnvironment['model'],
  note: (text: string) => void,
): RunEnvironment {
  return {
    openStore: async url => openStore(url, note),
    openSource: (source, access) => openSource(source, { access }),
    queue,
    model,
    preparationVersion: prepareVersion,
    versions: { layermill: version, node: process.version },
    now: () => new Date(),
    newId: kind => `${kind}-${new Date().toISOString().slice(0, 10).replaceAll('-', '')}-${randomBytes(4).toString('hex')}`,
  }
}
