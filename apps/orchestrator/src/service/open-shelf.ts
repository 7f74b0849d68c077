import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { layermillHome } from '@layermill/core'
import type { Broker } from '@layermill/queue'
import { openStore } from '@layermill/storage'
import { ShelfStore } from './run-shelf.js'

/**
 * What is remembered of a queue's runs beside it: in the store of `--state`, which belongs to one queue. Without it in `$LAYERMILL_HOME`,
 * where queues of several addresses keep theirs apart.
 */
export function openShelf(broker: Pick<Broker, 'describe'>, state: string | undefined): ShelfStore {
  if (state !== undefined) return new ShelfStore(openStore(state))
  const queue = createHash('sha256').update(broker.describe()).digest('hex').slice(0, 16)
  return new ShelfStore(openStore(join(layermillHome(), 'state', 'queues', queue)))
}
