import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import type { NeighbourIndex, OpenNeighbourIndex } from '@layermill/analysis'
import { errorMessage, LayermillError } from '@layermill/core'

const require = createRequire(import.meta.url)

const installCommand = 'npm install usearch@2.26.2'

/** The part of usearch that is used; it is an optional package. */
interface UsearchModule {
  readonly default: {
    readonly Index: new (config: object) => {
      add(keys: BigUint64Array, rows: Float32Array, threads: number): void
      capacity(): number
      search(rows: Float32Array, count: number, threads: number): { keys: BigUint64Array; distances: Float32Array; counts?: BigUint64Array }
    }
  }
}

/** Threads that an index has room for, the same on every machine: they have random numbers of their own. */
const contexts = 4
/** Links of a vector, and candidates that are looked at as it is added and as it is searched for. */
const settings = { connectivity: 16, expansion_add: 96, expansion_search: 96 }

/**
 * Loads usearch: HNSW over vectors in half precision. One thread adds vectors, so that the same rows give the same index; searches, whose
 * results do not depend on threads, have one for each core. usearch makes room for as many as the call had in which it last grew: such
 * calls add one row.
 * @throws LayermillError `CLIENT_MISSING` with the command that installs it
 */
export function loadNeighbourIndex(): OpenNeighbourIndex {
  let loaded: UsearchModule
  try {
    loaded = require('usearch') as UsearchModule
  } catch (cause) {
    throw new LayermillError('CLIENT_MISSING', `--neighbours index: usearch does not load: ${errorMessage(cause).split('\n')[0]}`, {
      hint: `install it beside layermill: ${installCommand}`,
      cause,
    })
  }
  return (columns): NeighbourIndex => {
    const index = new loaded.default.Index({ dimensions: columns, metric: 'l2sq', quantization: 'f16', multi: false, ...settings })
    let size = 0
    return {
      add(start, rows) {
        const count = rows.length / columns
        for (let row = 0; row < count;) {
          // It grows in a call after which it were full.
          const free = index.capacity() - size - 1
          const end = Math.min(count, row + Math.max(1, free))
          const keys = BigUint64Array.from({ length: end - row }, (_, i) => BigInt(start + row + i))
          index.add(keys, rows.subarray(row * columns, end * columns), free < 1 ? contexts : 1)
          size += end - row
          row = end
        }
      },
      search(rows, count) {
        const { keys, distances, counts } = index.search(rows, count, Math.min(contexts, availableParallelism()))
        // Of one row there are as many places as were found.
        return { places: keys, squares: distances, found: counts ?? BigUint64Array.of(BigInt(keys.length)) }
      },
    }
  }
}
