import { createHash } from 'node:crypto'
import { comparisonBlocks } from '@layermill/analysis'
import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import { QueueBlocks, type SharedComparison } from '@layermill/orchestrator/service'
import type { Broker } from '@layermill/queue'
import type { Store } from '@layermill/storage'
import { formatPlural } from '../output/format.js'
import type { Output } from '../output/output.js'
import { endedBlocks, openJournal } from './journal.js'
import type { Measure } from './measures.js'
import { shareBlocks } from './share.js'

export interface OverQueue {
  readonly output: Output
  readonly broker: Broker
  /** The folder of the results. */
  readonly store: Store
  readonly key: string
  /** Number of sets. */
  readonly count: number
  readonly measures: ReadonlySet<Measure>
  /** Job of a block, but for what is told above. */
  readonly job: Pick<SharedComparison, 'sets' | 'layers' | 'compare'>
  readonly carryOut: (block: { place: number; count: number; isForAnother: false }) => Promise<void>
  readonly signal: AbortSignal
  readonly onProgress: (step: string, done: number, total: number) => void
}

/** Blocks that have something to do: the first one the sums of linear CKA, the others all other measures. */
function blocksOf(count: number, measures: ReadonlySet<Measure>): number[] {
  const others = [...measures].some(measure => measure !== 'cka')
  return Array.from({ length: comparisonBlocks(count) }, (_, block) => block).filter(block => (block === 0 ? measures.has('cka') : others))
}

function sharedBlocks(broker: Broker, comparison: SharedComparison): QueueBlocks {
  try {
    return new QueueBlocks(broker, comparison)
  } catch (error) {
    if (errorCode(error) !== 'PAYLOAD_TOO_LARGE') throw error
    throw new LayermillError('PAYLOAD_TOO_LARGE', `--queue: ${errorMessage(error)}`, {
      hint: 'name runs, whose layers are sets, in place of many files; without --queue any number of files is compared',
      cause: error,
    })
  }
}

/**
 * Has the blocks of a comparison done by this process and by servers of a queue: afterwards their values are in the journals of its
 * folder. Does nothing where there is one block at most.
 * @throws LayermillError `PAYLOAD_INVALID`, `PAYLOAD_TOO_LARGE`; what doing a block throws
 */
export async function overQueue(options: OverQueue): Promise<void> {
  const { output, broker, store, key, count, measures, job, carryOut, signal, onProgress } = options
  const blocks = blocksOf(count, measures)
  if (blocks.length < 2) {
    const few = `${formatPlural(count, 'set')}: too few pairs to share`
    output.note(`${blocks.length === 0 ? few : 'linear CKA of all pairs is one pass over the rows'}, so everything is compared here`)
    return
  }
  const all = comparisonBlocks(count)
  const run = `sets-${createHash('sha256').update(`${store.url}\n${key}`).digest('hex').slice(0, 24)}`
  const shared = sharedBlocks(broker, { run, store: store.url, blocks: all, ...job })
  await (await openJournal(store, key)).begin()
  const known = await endedBlocks(store, key, blocks)
  const left = `${formatPlural(blocks.length - known.length, 'block')} of pairs${known.length > 0 ? ` (${known.length} are done)` : ''}`
  output.note(`${left}: servers of ${broker.describe()} may take them too`)
  await shareBlocks({
    blocks,
    known,
    shared,
    endedOf: of => endedBlocks(store, key, of),
    carryOut: place => carryOut({ place, count: all, isForAnother: false }),
    signal,
    note: text => output.note(text),
    onProgress,
  }).catch((error: unknown) => {
    if (signal.aborted) output.note(`what is found so far is kept in ${store.url}: the same command goes on from there`)
    throw error
  })
}
