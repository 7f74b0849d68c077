import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { layermillHome } from '@layermill/core'
import type { Broker } from '@layermill/queue'
import { openStore, type Store } from '@layermill/storage'
import { ShelfStore } from './run-shelf.js'

/**
 * The store of what is remembered of a queue's runs beside it: that of `--state`, which belongs to one queue. Without it a folder of
 * `$LAYERMILL_HOME`, where queues of several addresses keep theirs apart.
 */
export function openShelfStore(broker: Pick<Broker, 'describe'>, state: string | undefined): Store {
  if (state !== undefined) return openStore(state)
  const queue = createHash('sha256').update(broker.describe()).digest('hex').slice(0, 16)
  return openStore(join(layermillHome(), 'state', 'queues', queue))
}

/** Memory of a queue's runs beside it. */
export function openShelf(broker: Pick<Broker, 'describe'>, state: string | undefined): ShelfStore {
  return new ShelfStore(openShelfStore(broker, state))
}
